import type { Clock } from "./clock.js";
import type { Events } from "./events.js";
import { damage, expiry, type Reason, toError } from "./failure.js";
import type { Journal } from "./journal.js";
import type { Store } from "./store.js";

/** How many messages are moved in a transaction. */
const CHUNK = 1_000;
/** A clock that was set is noticed within this time. */
const LONGEST_MS = 60_000;
/** When there was nothing to do, or the store could not be written. */
const AGAIN_MS = 1_000;

/** The queue of the deliverer. */
interface Queue {
  /** Whether it is being delivered: what becomes of that counts. */
  isUnderWay(sequence: number): boolean;
  add(sequences: readonly number[]): void;
}

interface Buried {
  readonly id: string;
  readonly reason: Reason;
}

interface Moved {
  readonly ready: readonly number[];
  readonly buried: readonly Buried[];
}

/** What happens at a time of the wall clock: delayed messages become ready, and others expire. */
export class Calendar {
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #queue: Queue;
  readonly #events: Events;
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;
  #setFor = Infinity;
  #state: "resting" | "waiting" | "working" | "closed" = "resting";
  #onBuried: () => void = () => {};

  constructor(store: Store, journal: Journal, queue: Queue, events: Events, clock: Clock) {
    this.#store = store;
    this.#journal = journal;
    this.#queue = queue;
    this.#events = events;
    this.#clock = clock;
  }

  /** Called whenever pending messages have become dead letters. */
  set onBuried(listener: () => void) {
    this.#onBuried = listener;
  }

  /** It is this process's turn from now on. */
  start(): void {
    if (this.#state !== "resting") return;
    this.#state = "waiting";
    this.look();
  }

  /** It is another's. */
  rest(): void {
    if (this.#state !== "closed") this.#stop("resting");
  }

  /** For good. */
  close(): void {
    this.#stop("closed");
  }

  /** Called when something was posted, or an attempt is over: it may be due before all else. */
  look(leastMs = 0): void {
    if (this.#state !== "waiting") return;
    try {
      this.#setTo(
        this.#store.queues.nextTime((sequence) => this.#queue.isUnderWay(sequence)),
        leastMs,
      );
    } catch (error) {
      this.#events.emit("trouble", { error: toError(error) });
    }
  }

  #setTo(at: number, leastMs: number): void {
    if (this.#cancel !== undefined && at >= this.#setFor) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#setFor = at;
    if (at === Infinity) return;
    const ms = Math.min(Math.max(at - this.#clock.now(), leastMs), LONGEST_MS);
    this.#cancel = this.#clock.after(ms, () => void this.#work());
  }

  #stop(state: "resting" | "closed"): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#state = state;
  }

  async #work(): Promise<void> {
    this.#cancel = undefined;
    this.#state = "working";
    const now = this.#clock.now();
    try {
      const { ready, buried } = await this.#journal.run("post", 0, false, () => this.#turnOver(now));
      this.#tell(buried);
      this.#goOn(ready.length + buried.length > 0 ? 0 : AGAIN_MS);
      this.#queue.add(ready);
    } catch (error) {
      this.#events.emit("trouble", { error: toError(error) });
      this.#goOn(AGAIN_MS);
    }
  }

  #tell(buried: readonly Buried[]): void {
    for (const { id, reason } of buried) this.#events.emit("dead", { id, reason });
    if (buried.length > 0) this.#onBuried();
  }

  #goOn(leastMs: number): void {
    if (this.#state !== "working") return;
    this.#state = "waiting";
    this.look(leastMs);
  }

  /** In a transaction. */
  #turnOver(now: number): Moved {
    const { queues } = this.#store;
    const ready = [...queues.wake(now, CHUNK)];
    const buried: Buried[] = [];
    for (const { sequence, expiresAt } of queues.expired(now, CHUNK, (one) => this.#queue.isUnderWay(one))) {
      const end = this.#endOf(sequence, now);
      if (end === undefined) queues.remove(sequence, { key: "", dueAt: 0, expiresAt }, now);
      else {
        buried.push(end);
        ready.push(...this.#store.bury(sequence, end.reason, now));
      }
    }
    return { ready, buried };
  }

  /** One that is damaged keeps no others from their time. `undefined`: it is gone. */
  #endOf(sequence: number, now: number): Buried | undefined {
    try {
      const message = this.#store.read(sequence);
      if (message === undefined) return undefined;
      return { id: message.id, reason: expiry(message.expiresAt, this.#store.failureOf(sequence), now) };
    } catch (error) {
      return { id: this.#store.idAt(sequence), reason: damage(error, now) };
    }
  }
}
