/** Something that rings once, later. */
export interface Timer {
  cancel(): void;
  /** Whether the process shall stay for it. */
  keepAlive(is: boolean): void;
}

/** Time, for those who wait for it; tests give another. */
export interface Time {
  /** In milliseconds, and only ever forward: as `performance.now()`. */
  now(): number;
  /** Rings once, after so many milliseconds. */
  after(delayMs: number, ring: () => void): Timer;
}

/** The longest that `setTimeout` takes; what is later is looked at again then. */
export const MAX_TIMEOUT_MS = 0x7fff_ffff;

export const SYSTEM_TIME: Time = {
  now: () => performance.now(),
  after(delayMs, ring) {
    const timer = setTimeout(ring, Math.max(0, Math.min(delayMs, MAX_TIMEOUT_MS)));
    return {
      cancel: () => clearTimeout(timer),
      keepAlive: (is) => void (is ? timer.ref() : timer.unref()),
    };
  },
};
