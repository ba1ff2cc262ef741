import { type EarshotError, failure } from "../errors.js";
import { type CloseOptions, checkGrace } from "../peer/options.js";
import { checkBody, type WaitOptions } from "../peer/pending.js";
import { Calendar } from "./calendar.js";
import type { Clock } from "./clock.js";
import type { Counts } from "./counts.js";
import { Deliverer } from "./deliverer.js";
import { type Environment, toStoreError } from "./environment.js";
import type { Events, Listener, OutboxEvents } from "./events.js";
import { Journal } from "./journal.js";
import { DeadLetters, type OutboxMessage, pendingMessage, pendingMessages } from "./letters.js";
import { limited } from "./limit.js";
import { checkPost, type PostOptions, type WorkOptions } from "./options.js";
import { Progress } from "./progress.js";
import { encodeRecord } from "./record.js";
import type { OUTBOX_LAYOUT, Store } from "./store.js";
import { Turn } from "./turn.js";
import type { Way } from "./way.js";

/** What became of a `post`. */
export interface Posted {
  /** The message's id: the given one, or one of its own. */
  readonly id: string;
  /** False: a message of that id was there already, and stays as it is. */
  readonly isNew: boolean;
}

/** What an outbox holds, and who works on it. */
export interface OutboxStats extends Counts {
  /** Whether it is this process's turn to deliver. */
  readonly isDelivering: boolean;
}

/** Who posts and dies before it can tell is found out about all the same. */
const LOOK_MS = 1_000;

/** What an outbox is made of. */
export interface Facilities {
  readonly environment: Environment<(typeof OUTBOX_LAYOUT)["tables"][number]>;
  readonly store: Store;
  readonly events: Events;
  readonly clock: Clock;
  readonly way: Way;
  readonly work: WorkOptions;
  readonly needsSync: boolean;
}

/** Messages on disk, on their way to a server. Whoever opened it closes it. */
export class Outbox implements AsyncDisposable {
  /** Where it is. */
  readonly directory: string;
  /** The messages that could not be delivered. */
  readonly deadLetters: DeadLetters;
  readonly #environment: Facilities["environment"];
  readonly #store: Store;
  readonly #events: Events;
  readonly #clock: Clock;
  readonly #needsSync: boolean;
  readonly #journal: Journal;
  readonly #deliverer: Deliverer;
  readonly #calendar: Calendar;
  readonly #turn: Turn;
  readonly #abort = new AbortController();
  /** Something was settled on disk, or is to be looked at again. */
  readonly #progress = new Progress();
  #cancelLook: () => void = () => {};
  #closing: Promise<void> | undefined;

  /** @internal use `openOutbox` */
  constructor({ environment, store, events, clock, way, work, needsSync }: Facilities) {
    this.directory = environment.directory;
    this.#environment = environment;
    this.#store = store;
    this.#events = events;
    this.#clock = clock;
    this.#needsSync = needsSync;
    this.#turn = new Turn(environment.directory, this.#turnHost(), clock);
    this.#journal = new Journal(environment, store, () => this.#turn.wake());
    this.#deliverer = new Deliverer(store, this.#journal, way, events, { clock, work });
    this.#calendar = new Calendar(store, this.#journal, this.#deliverer, events, clock);
    this.#calendar.onBuried = () => this.#progress.tell();
    this.#deliverer.onRecorded = () => {
      this.#progress.tell();
      this.#calendar.look();
    };
    this.deadLetters = new DeadLetters({
      environment,
      store,
      journal: this.#journal,
      assertOpen: () => this.#assertOpen("open"),
      onRevived: () => this.#turn.wake(),
    });
  }

  /** @internal */
  async start(mayDeliver: boolean): Promise<void> {
    await this.#turn.start(mayDeliver);
  }

  /** How many messages are neither delivered nor dead letters, delayed ones included. */
  get pending(): number {
    return this.stats().pending;
  }

  /** What is on disk now, whoever put it there. @throws EarshotError `CONNECTION_CLOSED` when it is closed */
  stats(): OutboxStats {
    this.#assertOpen("open");
    this.#environment.refresh();
    return { ...this.#store.counts, isDelivering: this.#turn.isOwn };
  }

  /**
   * Keeps a message, and resolves when it is on disk, as far as `durability` says; from then on it is delivered at least
   * once, or becomes a dead letter. Text goes as UTF-8. The data is copied at once.
   *
   * @throws EarshotError `STORE_FULL`: the disk or `maxBytes` is full, and it is not kept; `INVALID_ARGUMENT`;
   * `CONNECTION_CLOSED` when the outbox is closed; with `timeoutMs` or `signal` also `TIMEOUT`, `CANCELLED`, which leave open
   * whether it is kept
   */
  async post(data: string | Uint8Array, options: PostOptions = {}): Promise<Posted> {
    this.#assertOpen("post");
    const now = this.#clock.now();
    const body = checkBody(data, "this message");
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const message = { ...checkPost(options, now), postedAt: now, data: bytes };
    // Now, because its caller may use the data again.
    const record = encodeRecord(message);
    const post = () => this.#store.post(message, now, record);
    const keep = () => this.#journal.run("post", record.length + 256, this.#needsSync, post);
    const { id, isNew } = await limited(keep, options, () => `Cannot post to ${JSON.stringify(this.directory)}`);
    return { id, isNew };
  }

  /**
   * The pending messages, in the order in which they were posted.
   *
   * @throws EarshotError `CONNECTION_CLOSED` when the outbox is closed, also while they are listed
   */
  messages(): Iterable<OutboxMessage> {
    this.#assertOpen("open");
    this.#environment.refresh();
    return pendingMessages(this.#store, () => this.#assertOpen("open"));
  }

  /** The pending message of this id. @throws EarshotError `CONNECTION_CLOSED` */
  message(id: string): OutboxMessage | undefined {
    const sequence = this.#find(id);
    const view = sequence === undefined ? undefined : this.#store.view(sequence);
    return sequence === undefined || view === undefined ? undefined : pendingMessage(this.#store, sequence, view);
  }

  /** Whether a message of this id is pending: the same without its bytes, which may be many. @throws as `message` */
  has(id: string): boolean {
    const sequence = this.#find(id);
    return sequence !== undefined && this.#store.has(sequence);
  }

  /** @internal resolves when nothing is being written */
  get idle(): Promise<void> {
    return this.#journal.idle;
  }

  /** Calls the listener whenever it happens; returns what takes it away again. */
  on<Name extends keyof OutboxEvents>(name: Name, listener: Listener<Name>): () => void {
    return this.#events.add(name, listener);
  }

  /**
   * Resolves when nothing is pending: everything is delivered or a dead letter, also what is delayed, and what others have
   * posted.
   *
   * @throws EarshotError `TIMEOUT`, `CANCELLED`, `CONNECTION_CLOSED` when the outbox is closed meanwhile
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    this.#assertOpen("post");
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#abort.signal]);
    try {
      await limited(
        () => this.#flush(signal),
        options,
        () => `Cannot flush ${JSON.stringify(this.directory)}`,
      );
    } finally {
      abort.abort();
    }
  }

  /**
   * Waits for what is under way, and gives the turn to another process. What is pending stays on disk. When the grace is
   * over, attempts are broken off; they are made again when the outbox is opened again.
   */
  close(options: CloseOptions = {}): Promise<void> {
    const graceMs = checkGrace(options);
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  /** `close` with the default grace, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#calendar.close();
    this.#cancelLook();
    this.#abort.abort();
    await this.#deliverer.close(graceMs);
    await this.#journal.idle;
    await this.#turn.close();
    await this.#environment.close();
  }

  async #flush(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#progress.tell(), { once: true });
    while (!signal.aborted) {
      this.#environment.refresh();
      if (this.#store.counts.pending === 0) return;
      if (this.#turn.isOwn) await this.#progress.next();
      else await this.#turn.flush(signal);
    }
    this.#assertOpen("post");
  }

  #turnHost() {
    return {
      onTurn: () => this.#onTurn(),
      onLost: (error: EarshotError) => this.#onLost(error),
      onWake: () => this.#look(),
      onFlush: (signal: AbortSignal) => this.#flush(AbortSignal.any([signal, this.#abort.signal])),
      onTrouble: (error: EarshotError) => this.#events.emit("trouble", { error }),
    };
  }

  #onTurn(): void {
    // It may come while this process waits for what is under way; then it goes to the next one.
    if (this.#closing !== undefined) return;
    this.#events.emit("turn", {});
    this.#deliverer.start();
    this.#calendar.start();
    this.#progress.tell();
    this.#lookAgain();
  }

  #onLost(error: EarshotError): void {
    this.#cancelLook();
    this.#deliverer.rest();
    this.#calendar.rest();
    // Who flushes asks whoever has the turn now.
    this.#progress.tell();
    this.#events.emit("trouble", { error });
  }

  #look(): void {
    if (this.#closing !== undefined) return;
    this.#environment.refresh();
    this.#deliverer.pump();
    this.#calendar.look();
  }

  /** Now and then, also where nobody says that it is necessary. */
  #lookAgain(): void {
    this.#cancelLook = this.#clock.after(LOOK_MS, () => {
      this.#lookAgain();
      this.#tidy();
      this.#look();
    });
  }

  #tidy(): void {
    try {
      this.#environment.forgetDeadReaders();
      this.#turn.check();
    } catch (error) {
      this.#events.emit("trouble", { error: toStoreError(error, "open", this.directory) });
    }
  }

  #find(id: string): number | undefined {
    this.#assertOpen("open");
    this.#environment.refresh();
    return this.#store.find(id);
  }

  #assertOpen(op: "open" | "post"): void {
    if (this.#closing === undefined) return;
    throw failure("CONNECTION_CLOSED", op, this.directory, "the outbox was closed", { delivery: "unsent" });
  }
}
