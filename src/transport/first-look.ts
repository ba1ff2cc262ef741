import type { Native } from "../native/binding.js";
import type { SpinBudget } from "./spin.js";

/** The other side may have to wake up, and has to let this one in, before it answers: that takes so much longer than an answer. */
const TIMES = 4;
/** After so many more looks in vain than others, only one of 2^10 is made. */
const MAX_DOUBLINGS = 10;

/**
 * Whether to look for the answer to what a new connection says first, before the thread sleeps; as `Spin` for later answers. What
 * it learns of one connection goes for the next: one at a time is looked at.
 */
export class FirstLook {
  readonly #native: Pick<Native, "lookSoon">;
  readonly #budget: SpinBudget;
  readonly #now: () => number;
  /** Whose first answer is looked for, and how long. */
  #owner: object | undefined;
  #lookUs = 0;
  #inVain = 0;
  /** So many connections are not looked at. */
  #skips = 0;

  /** @param now in milliseconds */
  constructor(native: Pick<Native, "lookSoon">, budget: SpinBudget, now: () => number) {
    this.#native = native;
    this.#budget = budget;
    this.#now = now;
  }

  /** Something was said for the first time. @param owner calls `end` @param maxUs as for `Spin` */
  begin(owner: object, fd: number, maxUs: number): void {
    if (maxUs === 0 || this.#owner !== undefined) return;
    if (this.#skips > 0) this.#skips--;
    else if (this.#budget.isLeft(this.#now)) {
      this.#owner = owner;
      this.#lookUs = maxUs * TIMES;
      this.#native.lookSoon(fd, this.#lookUs);
    }
  }

  /** An answer has come, or was looked for in vain; of others than the one that is looked at it says nothing. */
  end(owner: object, hasFound: boolean): void {
    if (this.#owner !== owner) return;
    this.#owner = undefined;
    if (hasFound) this.#inVain = Math.max(0, this.#inVain - 1);
    else {
      this.#budget.spend(this.#lookUs, this.#now());
      this.#inVain = Math.min(this.#inVain + 1, MAX_DOUBLINGS);
      this.#skips = 2 ** this.#inVain;
    }
  }
}
