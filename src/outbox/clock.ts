/** Time and chance, given, so that tests turn them. */
export interface Clock {
  /** The wall clock, in milliseconds: when a message expires, and how long it is delayed. It may jump. */
  now(): number;
  /** Milliseconds that only go on: the distance between attempts. */
  monotonic(): number;
  /**
   * Calls it once, so many milliseconds from now, after 24 days at the latest, unless it is cancelled before; does not keep
   * the process alive.
   */
  after(ms: number, action: () => void): () => void;
  /** Resolves so many milliseconds from now, and keeps the process alive until then. */
  wait(ms: number): Promise<void>;
  /** From 0 to 1, without 1. */
  random(): number;
}

/** The longest that `setTimeout` takes: what is longer would be over at once. */
export const LONGEST_TIMEOUT_MS = 0x7fff_ffff;

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, Math.min(ms, LONGEST_TIMEOUT_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: () => Math.random(),
};
