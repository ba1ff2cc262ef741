import type { Timers } from "../../src/peer/timers.js";

interface Due {
  readonly at: number;
  readonly action: () => void;
}

/** Time that stands still until it is told to go on; then what is due is called, the earliest first. */
export class FakeTimers implements Timers {
  #now = 1_000;
  readonly #due = new Set<Due>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): () => void {
    const due = { at: this.#now + delayMs, action };
    this.#due.add(due);
    return () => this.#due.delete(due);
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = end;
  }
}
