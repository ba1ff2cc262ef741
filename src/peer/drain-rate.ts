/** Of the mean, so much is what was measured last. */
const WEIGHT = 1 / 16;
const LEAST_MS = 10;
const MOST_MS = 30_000;
/** Where nothing was measured yet. */
const UNKNOWN_MS = 1_000;

/** How fast a server finishes what waits, and so when to come back. */
export class DrainRate {
  #meanMs: number | undefined;
  #lastAt = 0;

  /** The first waits: before, what was finished said nothing of how much could be. */
  begin(now: number): void {
    this.#lastAt = now;
  }

  /** One is finished, while others wait. */
  finished(now: number): void {
    const ms = now - this.#lastAt;
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + (ms - this.#meanMs) * WEIGHT;
    this.#lastAt = now;
  }

  /** In whole milliseconds: when so many will be finished, within bounds. */
  hint(waiting: number): number {
    const ms = this.#meanMs === undefined ? UNKNOWN_MS : Math.ceil(this.#meanMs * (waiting + 1));
    return Math.min(MOST_MS, Math.max(LEAST_MS, ms));
  }
}
