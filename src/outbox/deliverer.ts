import { EarshotError } from "../errors.js";
import { delayAfter } from "../peer/backoff.js";
import type { Clock } from "./clock.js";
import type { Events } from "./events.js";
import { expiry, failureAfter, judge, toError, type Verdict } from "./failure.js";
import type { Journal } from "./journal.js";
import type { WorkOptions } from "./options.js";
import { deadAfter, type Outcome, recordAll } from "./outcomes.js";
import type { KeptMessage } from "./record.js";
import type { Store } from "./store.js";
import { type Task, Tasks } from "./tasks.js";
import type { Way } from "./way.js";

/** `resting`: it is not this process's turn. `away`: the server takes nothing, until then. */
type State =
  | { readonly is: "resting" }
  | { readonly is: "working" }
  | { readonly is: "away"; readonly cancel: () => void }
  | { readonly is: "closed" };

/** How many messages may wait for their next attempt before no new ones are tried. */
const MAX_TAKEN = 20_000;
const MAX_BYTES_UNDER_WAY = 67_108_864;
/** When the store could not be written. */
const RECORD_AGAIN_MS = 1_000;

/** Brings messages to the server, while it is this process's turn. */
export class Deliverer {
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #way: Way;
  readonly #events: Events;
  readonly #clock: Clock;
  readonly #options: WorkOptions;
  readonly #tasks: Tasks;
  #state: State = { is: "resting" };
  #underWay = 0;
  #bytesUnderWay = 0;
  /** A suspect is tried, and nothing else with it. */
  #isAlone = false;
  #outcomes: Outcome[] = [];
  #recording: "no" | "writing" | "waiting" = "no";
  #outages = 0;
  #onRecorded: () => void = () => {};
  #onDrained: () => void = () => {};

  constructor(
    store: Store,
    journal: Journal,
    way: Way,
    events: Events,
    { clock, work }: { readonly clock: Clock; readonly work: WorkOptions },
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#way = way;
    this.#events = events;
    this.#clock = clock;
    this.#options = work;
    this.#tasks = new Tasks((sequence, limit) => store.readyAfter(sequence, limit));
    way.onBack(() => this.#onBack());
  }

  /** It is this process's turn from now on. */
  start(): void {
    if (this.#state.is !== "resting") return;
    this.#state = { is: "working" };
    this.pump();
  }

  /** Called whenever something was settled on disk. */
  set onRecorded(listener: () => void) {
    this.#onRecorded = listener;
  }

  /** Messages that have become ready, also where the queue was looked through before. */
  add(sequences: readonly number[]): void {
    this.#tasks.add(sequences);
    this.pump();
  }

  isTaken(sequence: number): boolean {
    return this.#tasks.isTaken(sequence);
  }

  /** Tries what may be tried now. */
  pump(): void {
    while (this.#mayStart) {
      const sequence = this.#tasks.next();
      if (sequence === undefined) return;
      if (!this.#start(sequence)) return;
    }
  }

  /** Takes up nothing new; what is under way may take so long. Resolves when all outcomes are on disk. */
  async close(graceMs: number): Promise<void> {
    if (this.#state.is === "away") this.#state.cancel();
    this.#state = { is: "closed" };
    await this.#way.close(graceMs);
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    while (this.#outcomes.length > 0 && this.#recording !== "waiting") await this.#record();
    await this.#journal.idle;
  }

  get #mayStart(): boolean {
    return (
      this.#state.is === "working" &&
      !this.#isAlone &&
      this.#recording !== "waiting" &&
      this.#underWay < this.#options.concurrency &&
      this.#tasks.takenCount < MAX_TAKEN
    );
  }

  /** False: not now, nor anything else. */
  #start(sequence: number): boolean {
    const message = this.#read(sequence);
    if (message === undefined) return true;
    const before = this.#store.failureOf(sequence);
    const task: Task = { sequence, id: message.id, bytes: message.data.length, before };
    const now = this.#clock.now();
    if (message.expiresAt > 0 && message.expiresAt <= now) {
      this.#settle({ is: "dead", task, reason: expiry(message.expiresAt, before, now) });
      return true;
    }
    const isSuspect = before?.isSuspect === true;
    const isTooMuch = isSuspect || this.#bytesUnderWay + task.bytes > MAX_BYTES_UNDER_WAY;
    if (isTooMuch && this.#underWay > 0) {
      this.#tasks.putBack(sequence);
      return false;
    }
    this.#isAlone = isSuspect;
    void this.#deliver(task, message);
    return true;
  }

  /** `undefined`: there is nothing to deliver. */
  #read(sequence: number): KeptMessage | undefined {
    try {
      const message = this.#store.read(sequence);
      if (message === undefined) this.#tasks.letGo(sequence);
      return message;
    } catch (error) {
      const task = { sequence, id: this.#store.idAt(sequence), bytes: 0, before: undefined };
      const failure = failureAfter(undefined, toError(error), this.#clock.now(), false);
      this.#settle(deadAfter(task, { ...failure, attempts: 0 }, this.#clock.now()));
      return undefined;
    }
  }

  async #deliver(task: Task, message: KeptMessage): Promise<void> {
    this.#underWay++;
    this.#bytesUnderWay += task.bytes;
    let error: EarshotError | undefined;
    try {
      await this.#way.deliver(message, this.#options.attemptTimeoutMs);
    } catch (reason) {
      error = toError(reason);
    }
    this.#underWay--;
    this.#bytesUnderWay -= task.bytes;
    this.#isAlone = false;
    if (error === undefined) this.#onDelivered(task);
    else this.#onFailure(task, error);
    if (this.#underWay === 0) this.#onDrained();
    this.pump();
  }

  #onDelivered(task: Task): void {
    this.#outages = 0;
    this.#settle({ is: "delivered", task });
  }

  #onFailure(task: Task, error: EarshotError): void {
    // What was cut off because this side closes is as if it had not been tried: it is tried again, with the same id.
    if (this.#state.is === "closed") return;
    const verdict = judge(error, this.#options.isPermanent);
    if (verdict === "away") this.#onAway(task, error);
    else this.#onTried(task, error, verdict);
  }

  #onTried(task: Task, error: EarshotError, verdict: Exclude<Verdict, "away">): void {
    const now = this.#clock.now();
    const failure = failureAfter(task.before, error, now, verdict === "lost");
    // Where others were handled too when the connection broke, it may have been one of them: it gets a try of its own.
    const isOwn = verdict !== "lost" || task.before?.isSuspect === true;
    const isOver = verdict === "dead" || (isOwn && failure.attempts >= this.#options.maxAttempts);
    if (isOver) this.#settle(deadAfter(task, failure, now));
    else this.#settle({ is: "failed", task, failure, retryInMs: this.#pause(failure.attempts) });
  }

  #pause(failures: number, atLeastMs?: number): number {
    return delayAfter(failures, this.#options.retry, () => this.#clock.random(), atLeastMs);
  }

  /** Nothing is wrong with the message: it is the first one when the server is back. */
  #onAway(task: Task, error: EarshotError): void {
    this.#tasks.again(task.sequence);
    if (this.#state.is !== "working") return;
    const retryInMs = this.#pause(++this.#outages, error.retryAfterMs);
    const cancel = this.#clock.after(retryInMs, () => this.#goOn());
    this.#state = { is: "away", cancel };
    this.#events.emit("away", { error, retryInMs });
  }

  #onBack(): void {
    if (this.#state.is !== "away") return;
    this.#state.cancel();
    this.#goOn();
  }

  #goOn(): void {
    if (this.#state.is !== "away") return;
    this.#state = { is: "working" };
    this.#tasks.sort();
    this.pump();
  }

  #settle(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (this.#recording === "no") void this.#record();
  }

  /** What has happened since the last transaction, in one. */
  async #record(): Promise<void> {
    this.#recording = "writing";
    // Those of this turn belong together.
    await Promise.resolve();
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    try {
      const now = this.#clock.now();
      const ready = await this.#journal.run("post", 0, false, () => recordAll(this.#store, outcomes, now));
      this.#recording = "no";
      for (const outcome of outcomes) this.#tell(outcome);
      this.#tasks.add(ready);
      this.#onRecorded();
      if (this.#outcomes.length > 0) void this.#record();
      this.pump();
    } catch (error) {
      this.#onUnrecorded(outcomes, error);
    }
  }

  /** They stay in memory, and are not delivered again by this process. */
  #onUnrecorded(outcomes: Outcome[], error: unknown): void {
    this.#outcomes = outcomes.concat(this.#outcomes);
    this.#recording = "waiting";
    this.#events.emit("trouble", { error: toError(error) });
    this.#clock.after(RECORD_AGAIN_MS, () => {
      if (this.#state.is !== "closed") void this.#record();
    });
  }

  #tell(outcome: Outcome): void {
    const { sequence, id } = outcome.task;
    switch (outcome.is) {
      case "delivered":
        this.#tasks.letGo(sequence);
        this.#events.emit("delivered", { id });
        break;
      case "dead":
        this.#tasks.letGo(sequence);
        this.#events.emit("dead", { id, reason: outcome.reason });
        break;
      case "failed":
        this.#tryLater(sequence, outcome);
        break;
    }
  }

  #tryLater(sequence: number, { task, failure, retryInMs }: Extract<Outcome, { is: "failed" }>): void {
    this.#clock.after(retryInMs, () => {
      this.#tasks.again(sequence);
      this.pump();
    });
    const { attempts, code, message } = failure;
    const error = new EarshotError(code, message, { op: "send", remoteCode: failure.remoteCode });
    this.#events.emit("retry", { id: task.id, attempts, retryInMs, error });
  }
}
