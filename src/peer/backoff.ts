/** How long to wait between attempts, in milliseconds. */
export interface BackoffLimits {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

/**
 * The pause after so many failures in a row: none at first, then any time up to `minDelayMs`, and each time up to twice as
 * long. All of it is chance (full jitter), so that many who have lost the same server do not come back all at once.
 *
 * @param random as `Math.random`
 * @param atLeastMs what the other side has asked for; a fifth of it is chance on top
 */
export function delayAfter(failures: number, limits: BackoffLimits, random: () => number, atLeastMs = 0): number {
  const most = failures === 0 ? 0 : Math.min(limits.maxDelayMs, limits.minDelayMs * 2 ** (failures - 1));
  return Math.max(most * random(), atLeastMs * (1 + random() / 5));
}
