/** How long a socket that is in conversation is looked at before the thread goes to sleep. */
export const DEFAULT_SPIN_US = 50;
/** What comes after a longer pause is no conversation: waking up for it costs less than looking. */
const CONVERSATION_US = 500;
/** After so many more looks in vain than others, only one of 2^10 pauses is looked through. */
const MAX_DOUBLINGS = 10;
/**
 * So many of them does one count for that took far too long: then others need the processor, who got it while this thread
 * looked, and the kernel would have given it back sooner to one that sleeps.
 */
const LOST_TURN = 3;
/** After so many finds a look in vain is an accident: the other side has collected its garbage. */
const FORGIVEN_AFTER = 16;
/** Looks in vain may take this share of a thread's time, and so much at once. */
const VAIN_SHARE = 0.1;
const VAIN_US = 2_000;
/** Where more others than these had something between, looking only delays the next of them. */
const MOST_OTHERS = 4;

/** What the sockets of one thread have in common: what they may spend in vain, and their turns. */
export class SpinBudget {
  #turns = 0;
  #leftUs = VAIN_US;
  #at = 0;

  /** @param now in milliseconds */
  spend(us: number, now: number): void {
    this.#fill(now);
    this.#leftUs -= us;
  }

  /** The number of the turn that a socket has now. */
  turn(): number {
    return ++this.#turns;
  }

  /** Asks for the time only when there is little left. */
  isLeft(now: () => number): boolean {
    if (this.#leftUs <= 0) this.#fill(now());
    return this.#leftUs > 0;
  }

  #fill(now: number): void {
    this.#leftUs = Math.min(VAIN_US, this.#leftUs + (now - this.#at) * 1_000 * VAIN_SHARE);
    this.#at = now;
  }
}

/**
 * Whether to look for the next bytes of one socket before going to sleep. Being woken costs both sides tens of
 * microseconds; in a conversation, where the answer comes sooner than that, looking costs less time and less work. It pays as
 * long as it finds something: who looks in vain looks ever more seldom, and all in vain together have a budget.
 */
export class Spin {
  readonly #budget: SpinBudget;
  readonly #maxUs: number;
  readonly #now: () => number;
  /** How long the last look was to take; 0 for none. */
  #lookUs = 0;
  #inVain = 0;
  /** Since the last that was in vain. */
  #finds = 0;
  /** So many pauses are slept through. */
  #sleeps = 0;
  #lastTurn = 0;

  /** @param maxUs for one look; 0 for none ever @param now in milliseconds */
  constructor(budget: SpinBudget, maxUs: number, now: () => number) {
    this.#budget = budget;
    this.#maxUs = maxUs;
    this.#now = now;
  }

  /**
   * How long to look, in microseconds; 0 for not at all.
   *
   * @param idleUs how long the pause was that has just ended
   */
  next(idleUs: number): number {
    if (this.#lookUs > 0) this.#learn(idleUs);
    const turn = this.#budget.turn();
    const others = turn - this.#lastTurn - 1;
    this.#lastTurn = turn;
    if (others > MOST_OTHERS || idleUs > CONVERSATION_US) return 0;
    if (this.#sleeps > 0) {
      this.#sleeps--;
      return 0;
    }
    if (this.#maxUs > 0 && this.#budget.isLeft(this.#now)) this.#lookUs = this.#maxUs;
    return this.#lookUs;
  }

  /** Looks once more as long: the other side was asleep, and takes that long to wake up. @returns as `next` */
  again(): number {
    const us = this.#lookUs;
    this.#lookUs *= 2;
    return us;
  }

  /** Something was found by another way of looking. */
  found(): void {
    if (this.#inVain > 0) this.#inVain--;
    this.#finds++;
  }

  #learn(idleUs: number): void {
    if (idleUs <= this.#lookUs) this.found();
    else {
      this.#budget.spend(this.#lookUs, this.#now());
      if (this.#finds < FORGIVEN_AFTER) {
        this.#inVain = Math.min(this.#inVain + (idleUs > CONVERSATION_US ? LOST_TURN : 1), MAX_DOUBLINGS);
        this.#sleeps = 2 ** this.#inVain;
      }
      this.#finds = 0;
    }
    this.#lookUs = 0;
  }
}
