import { EarshotError } from "../errors.js";
import { delayAfter } from "../peer/backoff.js";
import type { Clock } from "./clock.js";
import type { Events } from "./events.js";
import { damage, expiry, failureAfter, judge, toError, type Verdict } from "./failure.js";
import type { Journal } from "./journal.js";
import { Load } from "./load.js";
import type { WorkOptions } from "./options.js";
import { deadAfter, type Outcome } from "./outcomes.js";
import type { KeptMessage } from "./record.js";
import { Recorder } from "./recorder.js";
import type { Store } from "./store.js";
import { type Task, Tasks } from "./tasks.js";
import type { Way } from "./way.js";

/** `resting`: it is not this process's turn. `away`: the server takes nothing, until then. */
type State =
  | { readonly is: "resting" }
  | { readonly is: "working" }
  | { readonly is: "away"; readonly cancel: () => void }
  | { readonly is: "closed" };

/** Brings messages to the server, while it is this process's turn. */
export class Deliverer {
  readonly #store: Store;
  readonly #way: Way;
  readonly #events: Events;
  readonly #clock: Clock;
  readonly #options: WorkOptions;
  readonly #tasks: Tasks;
  readonly #recorder: Recorder;
  readonly #load: Load;
  /** Those that are tried, until it is on disk what became of it. */
  readonly #busy = new Set<number>();
  #state: State = { is: "resting" };
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
    this.#way = way;
    this.#events = events;
    this.#clock = clock;
    this.#options = work;
    this.#load = new Load(work.concurrency);
    this.#tasks = new Tasks((sequence, limit) => store.queues.readyAfter(sequence, limit));
    this.#recorder = new Recorder(store, journal, clock, {
      onRecorded: (outcomes, ready) => this.#onOutcomes(outcomes, ready),
      onTrouble: (error) => events.emit("trouble", { error }),
    });
    way.onBack(() => this.#onBack());
  }

  /** It is this process's turn from now on. */
  start(): void {
    if (this.#state.is !== "resting") return;
    this.#state = { is: "working" };
    this.pump();
  }

  /** It is another process's turn from now on: what is under way ends, and nothing else begins. */
  rest(): void {
    if (this.#state.is === "closed") return;
    if (this.#state.is === "away") this.#state.cancel();
    this.#state = { is: "resting" };
    this.#load.forgetHeldBack();
    this.#tasks.startOver();
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

  /** Whether it is being tried, or it is not on disk yet what became of it. */
  isUnderWay(sequence: number): boolean {
    return this.#busy.has(sequence);
  }

  /** Tries what may be tried now. */
  pump(): void {
    try {
      this.#startAll();
    } catch (error) {
      // The store cannot be read: it is tried again with whatever comes next.
      this.#events.emit("trouble", { error: toError(error) });
    }
  }

  /** Takes up nothing new; what is under way may take so long. Resolves when all outcomes are on disk. */
  async close(graceMs: number): Promise<void> {
    if (this.#state.is === "away") this.#state.cancel();
    this.#state = { is: "closed" };
    await this.#way.close(graceMs);
    if (!this.#load.isNone) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    await this.#recorder.close();
  }

  #startAll(): void {
    while (this.#state.is === "working" && this.#load.hasRoom && !this.#recorder.isHeldUp) {
      const sequence = this.#tasks.next();
      if (sequence === undefined) return;
      let isDone = false;
      try {
        isDone = this.#start(sequence);
      } finally {
        if (!isDone) this.#tasks.putBack(sequence);
      }
      if (!isDone) return;
    }
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
    if (!this.#load.take({ bytes: task.bytes, isSuspect: before?.isSuspect === true })) return false;
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
      if (!(error instanceof EarshotError)) throw error;
      const task = { sequence, id: this.#store.idAt(sequence), bytes: 0, before: undefined };
      this.#settle({ is: "dead", task, reason: damage(error, this.#clock.now()) });
      return undefined;
    }
  }

  async #deliver(task: Task, message: KeptMessage): Promise<void> {
    this.#busy.add(task.sequence);
    let error: EarshotError | undefined;
    try {
      await this.#way.deliver(message, this.#options.attemptTimeoutMs);
    } catch (reason) {
      error = toError(reason);
    }
    this.#load.release(task.bytes);
    if (error === undefined) this.#onDelivered(task);
    else this.#onFailure(task, error);
    if (this.#load.isNone) this.#onDrained();
    this.pump();
  }

  #onDelivered(task: Task): void {
    this.#outages = 0;
    this.#settle({ is: "delivered", task });
  }

  #onFailure(task: Task, error: EarshotError): void {
    // What was cut off because this side closes is as if it had not been tried: it is tried again, with the same id.
    if (this.#state.is === "closed") return;
    const verdict = judge(error, (reason) => this.#isPermanent(reason));
    if (verdict === "away") this.#onAway(task, error);
    else this.#onTried(task, error, verdict);
  }

  /** A program's mistake in it is told, and costs no message its life. */
  #isPermanent(error: EarshotError): boolean {
    try {
      return this.#options.isPermanent(error);
    } catch (reason) {
      this.#events.emit("trouble", { error: toError(reason) });
      return false;
    }
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
    this.#busy.delete(task.sequence);
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
    this.#busy.add(outcome.task.sequence);
    this.#recorder.settle(outcome);
  }

  #onOutcomes(outcomes: readonly Outcome[], ready: readonly number[]): void {
    for (const outcome of outcomes) this.#tell(outcome);
    this.#tasks.add(ready);
    this.#onRecorded();
    this.pump();
  }

  #tell(outcome: Outcome): void {
    const { sequence, id } = outcome.task;
    this.#busy.delete(sequence);
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
