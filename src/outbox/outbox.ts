import { type EarshotError, failure } from "../errors.js";
import { type CloseOptions, checkGrace } from "../peer/options.js";
import { checkBody, type WaitOptions } from "../peer/pending.js";
import { Calendar } from "./calendar.js";
import type { Clock } from "./clock.js";
import type { Counts } from "./counts.js";
import { Deliverer } from "./deliverer.js";
import type { Environment } from "./environment.js";
import type { Events, Listener, OutboxEvents } from "./events.js";
import { Journal } from "./journal.js";
import { DeadLetters, type OutboxMessage, pendingMessage, pendingMessages } from "./letters.js";
import { limited } from "./limit.js";
import { checkPost, type PostOptions, type WorkOptions } from "./options.js";
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
  #onProgress: (() => void)[] = [];
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
    this.#deliverer.onRecorded = () => this.#goOn();
    this.#calendar = new Calendar(store, this.#journal, this.#deliverer, events, clock);
    this.deadLetters = new DeadLetters(environment, store, this.#journal, () => this.#turn.wake());
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

  /** The pending messages, in the order in which they were posted. */
  messages(): Iterable<OutboxMessage> {
    this.#assertOpen("open");
    this.#environment.refresh();
    return pendingMessages(this.#store);
  }

  /** The pending message of this id. */
  message(id: string): OutboxMessage | undefined {
    this.#assertOpen("open");
    this.#environment.refresh();
    const sequence = this.#store.find(id);
    const message = sequence === undefined ? undefined : this.#store.read(sequence);
    if (sequence === undefined || message === undefined) return undefined;
    return pendingMessage(this.#store, sequence, message);
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
    this.#calendar.stop();
    this.#cancelLook();
    this.#abort.abort();
    await this.#deliverer.close(graceMs);
    await this.#journal.idle;
    await this.#turn.close();
    await this.#environment.close();
  }

  async #flush(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#goOn(), { once: true });
    while (!signal.aborted) {
      this.#environment.refresh();
      if (this.#store.counts.pending === 0) return;
      if (this.#turn.isOwn) await this.#progress();
      else await this.#turn.flush(signal);
    }
    this.#assertOpen("post");
  }

  /** Resolves when something was settled on disk. */
  #progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#onProgress.push(resolve);
    });
  }

  #goOn(): void {
    const waiting = this.#onProgress;
    this.#onProgress = [];
    for (const resolve of waiting) resolve();
  }

  #turnHost() {
    return {
      onTurn: () => {
        this.#events.emit("turn", {});
        this.#deliverer.start();
        this.#calendar.start();
        this.#goOn();
        this.#lookAgain();
      },
      onWake: () => this.#look(),
      onFlush: (signal: AbortSignal) => this.#flush(AbortSignal.any([signal, this.#abort.signal])),
      onTrouble: (error: EarshotError) => this.#events.emit("trouble", { error }),
    };
  }

  #look(): void {
    if (this.#closing !== undefined) return;
    this.#environment.refresh();
    this.#deliverer.pump();
    this.#calendar.look();
  }

  #lookAgain(): void {
    this.#cancelLook = this.#clock.after(LOOK_MS, () => {
      this.#look();
      if (this.#closing === undefined) this.#lookAgain();
    });
  }

  #assertOpen(op: "open" | "post"): void {
    if (this.#closing === undefined) return;
    throw failure("CONNECTION_CLOSED", op, this.directory, "the outbox was closed", { delivery: "unsent" });
  }
}
