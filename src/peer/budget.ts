/** So much each connection may hold whatever the others do: small messages always pass. */
export const SHARE_BYTES = 65_536;
/** Who makes no progress for so long gives way when others wait for memory. */
export const STALL_MS = 1_000;
/** Who waits for so long may be the one that goes beyond the limit. */
export const PATIENCE_MS = 100;
/** Letting one connection go on costs about this much before it can be stopped again. */
const READ_BYTES = 262_144;

/** A connection, as the budget sees it. */
export interface Holder {
  /** What it holds, as it said last. */
  budgetedBytes: number;
  /** When its other side last brought or took anything. */
  readonly lastActiveAt: number;
  /** Whether it is the other side that has to go on: with a message, or with reading. */
  readonly isWaitingForPeer: boolean;
  /** Whether it has written what its other side does not read. */
  readonly isBlocked: boolean;
  /** Read nothing more until `resumeForMemory`. */
  pauseForMemory(): void;
  resumeForMemory(): void;
  /** Gives way: ends, and says why. */
  giveWay(): void;
}

/**
 * The bytes that a server holds for all its connections. At most `maxBytes`, and above that `SHARE_BYTES` for each
 * connection and one message that is let through so that something is always finished.
 */
export class Budget {
  readonly #maxBytes: number;
  #usedBytes = 0;
  /** Those that hold more than their share. */
  readonly #large = new Set<Holder>();
  /** Those that are paused, the first to wait first. */
  readonly #waiting = new Set<Holder>();
  /** The one that may go beyond the limit, so that something is always finished. */
  #elected: Holder | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  isWaiting(holder: Holder): boolean {
    return this.#waiting.has(holder);
  }

  /** A holder says how much it holds now; 0 when it is gone. */
  update(holder: Holder, bytes: number): void {
    const change = bytes - holder.budgetedBytes;
    if (change === 0) return;
    holder.budgetedBytes = bytes;
    this.#usedBytes += change;
    if (bytes > SHARE_BYTES) this.#large.add(holder);
    else if (this.#large.delete(holder) && this.#elected === holder) this.#elected = undefined;
    if (change > 0) this.#limit(holder);
    else this.#letOn();
  }

  /** A holder is gone. */
  remove(holder: Holder): void {
    this.#waiting.delete(holder);
    this.update(holder, 0);
  }

  /** Called while a holder waits, every `PATIENCE_MS`: makes room for it where that is fair. */
  relieve(now: number): void {
    const stalled: Holder[] = [];
    for (const holder of this.#large) {
      // Who is not read can bring nothing; that it does not read is still its own doing.
      const isWaiting = this.#waiting.has(holder);
      const isPeersTurn = isWaiting ? holder.isBlocked : holder.isWaitingForPeer;
      if (isPeersTurn && now - holder.lastActiveAt >= STALL_MS) stalled.push(holder);
    }
    stalled.sort((a, b) => a.lastActiveAt - b.lastActiveAt);
    let excess = this.#usedBytes - this.#maxBytes;
    for (const holder of stalled) {
      if (excess <= 0) break;
      excess -= holder.budgetedBytes;
      holder.giveWay();
    }
    if (this.#elected === undefined) this.#elect();
  }

  #limit(holder: Holder): void {
    if (this.#usedBytes <= this.#maxBytes || holder.budgetedBytes <= SHARE_BYTES) return;
    if (holder === this.#elected || this.#waiting.has(holder)) return;
    this.#waiting.add(holder);
    holder.pauseForMemory();
  }

  #letOn(): void {
    let room = this.#maxBytes - this.#usedBytes;
    for (const holder of this.#waiting) {
      if (room <= 0) return;
      room -= READ_BYTES;
      this.#waiting.delete(holder);
      holder.resumeForMemory();
    }
  }

  /** The one that was active last: it is the likeliest to go on. */
  #elect(): void {
    let best: Holder | undefined;
    for (const holder of this.#waiting) {
      if (best === undefined || holder.lastActiveAt > best.lastActiveAt) best = holder;
    }
    if (best === undefined) return;
    this.#waiting.delete(best);
    this.#elected = best;
    best.resumeForMemory();
  }
}
