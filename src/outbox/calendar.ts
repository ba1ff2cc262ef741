import type { Clock } from "./clock.js";
import type { Events } from "./events.js";
import { expiry, type Reason, toError } from "./failure.js";
import type { Journal } from "./journal.js";
import type { Store } from "./store.js";

/** How many messages are moved in a transaction. */
const CHUNK = 1_000;
/** A clock that was set is noticed within this time. */
const LONGEST_MS = 60_000;
/** When all that is due is under way just now. */
const SHORTEST_MS = 1_000;

/** The queue of the deliverer. */
interface Queue {
  /** Whether it is being delivered, or about to be. */
  isTaken(sequence: number): boolean;
  add(sequences: readonly number[]): void;
}

interface Buried {
  readonly id: string;
  readonly reason: Reason;
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
  #state: "stopped" | "waiting" | "working" = "stopped";

  constructor(store: Store, journal: Journal, queue: Queue, events: Events, clock: Clock) {
    this.#store = store;
    this.#journal = journal;
    this.#queue = queue;
    this.#events = events;
    this.#clock = clock;
  }

  start(): void {
    if (this.#state !== "stopped") return;
    this.#state = "waiting";
    this.look();
  }

  /** Called when something was posted: it may be due before all else. */
  look(leastMs = 0): void {
    if (this.#state !== "waiting") return;
    const at = this.#store.nextTime;
    if (this.#cancel !== undefined && at >= this.#setFor) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#setFor = at;
    if (at === Infinity) return;
    const ms = Math.min(Math.max(at - this.#clock.now(), leastMs), LONGEST_MS);
    this.#cancel = this.#clock.after(ms, () => void this.#work());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#state = "stopped";
  }

  async #work(): Promise<void> {
    this.#cancel = undefined;
    this.#state = "working";
    const now = this.#clock.now();
    let moved = 0;
    try {
      const { ready, buried } = await this.#journal.run("post", 0, false, () => this.#turnOver(now));
      moved = ready.length + buried.length;
      for (const { id, reason } of buried) this.#events.emit("dead", { id, reason });
      if (this.#isStopped) return;
      this.#queue.add(ready);
    } catch (error) {
      this.#events.emit("trouble", { error: toError(error) });
    }
    if (this.#isStopped) return;
    this.#state = "waiting";
    this.look(moved > 0 ? 0 : SHORTEST_MS);
  }

  get #isStopped(): boolean {
    return this.#state === "stopped";
  }

  /** In a transaction. */
  #turnOver(now: number): { readonly ready: readonly number[]; readonly buried: readonly Buried[] } {
    const ready = [...this.#store.wake(now, CHUNK)];
    const buried: Buried[] = [];
    for (const sequence of this.#store.expired(now, CHUNK)) {
      if (this.#queue.isTaken(sequence)) continue;
      const message = this.#store.read(sequence);
      if (message === undefined) continue;
      const reason = expiry(message.expiresAt, this.#store.failureOf(sequence), now);
      ready.push(...this.#store.bury(sequence, reason, now));
      buried.push({ id: message.id, reason });
    }
    return { ready, buried };
  }
}
