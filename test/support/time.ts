import type { Time, Timer } from "../../src/peer/time.js";

interface Ring {
  readonly at: number;
  readonly ring: () => void;
  isAlive: boolean;
}

/**
 * Time that passes when the test says so; it begins with the real one, from which deadlines are counted, in whole
 * milliseconds.
 */
export class FakeTime implements Time {
  #now = Math.floor(performance.now());
  readonly #rings = new Set<Ring>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, ring: () => void): Timer {
    const set: Ring = { at: this.#now + delayMs, ring, isAlive: true };
    this.#rings.add(set);
    return {
      cancel: () => void this.#rings.delete(set),
      keepAlive: (is) => {
        set.isAlive = is;
      },
    };
  }

  /** How many timers are set, and how many of them keep the process alive. */
  get timers(): { readonly all: number; readonly alive: number } {
    const all = [...this.#rings];
    return { all: all.length, alive: all.filter(({ isAlive }) => isAlive).length };
  }

  /** When the next one rings, in milliseconds from now. */
  get nextInMs(): number {
    return Math.min(...[...this.#rings].map(({ at }) => at - this.#now));
  }

  /** All that is due rings, each at its time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#rings].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#rings.delete(due);
      due.ring();
    }
    this.#now = until;
  }
}
