/** Time and chance, given, so that tests turn them. */
export interface Clock {
  /** The wall clock, in milliseconds: when a message expires, and how long it is delayed. It may jump. */
  now(): number;
  /** Milliseconds that only go on: the distance between attempts. */
  monotonic(): number;
  /** Calls it once, so many milliseconds from now, unless it is cancelled before; does not keep the process alive. */
  after(ms: number, action: () => void): () => void;
  /** From 0 to 1, without 1. */
  random(): number;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
