/** Time, for those who wait for it; tests give their own. */
export interface Timers {
  /** In milliseconds, from any beginning; never goes back. */
  now(): number;
  /** Calls once, after so many milliseconds, unless what it returns was called before. Keeps no process alive. */
  after(delayMs: number, action: () => void): () => void;
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
