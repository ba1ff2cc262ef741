/** A timer that is set. */
export interface Alarm {
  readonly at: number;
  readonly timer: NodeJS.Timeout;
}

/** The longest that `setTimeout` takes; what is later is looked at again then. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/**
 * Makes `ring` be called at a time, or sooner: an alarm that comes early looks again, which is cheaper than moving it
 * with every message. Only one that would come for nothing, long after, is taken back.
 *
 * @param at `Infinity` for never.
 * @param soon an alarm before this is left as it is in any case.
 */
export function setAlarm<T>(
  alarm: Alarm | undefined,
  at: number,
  times: { readonly now: number; readonly soon: number },
  ring: (target: T) => void,
  target: T,
): Alarm | undefined {
  if (alarm !== undefined && (alarm.at <= times.soon || (alarm.at <= at && at !== Infinity))) return alarm;
  clearTimeout(alarm?.timer);
  if (at === Infinity) return undefined;
  const timer = setTimeout(ring, Math.max(1, Math.min(at - times.now, MAX_TIMEOUT_MS)), target);
  timer.unref();
  return { at: Math.ceil(at), timer };
}
