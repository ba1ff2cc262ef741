import { EarshotError } from "../errors.js";
import { checkSignal, checkTimeout } from "../peer/options.js";
import type { WaitOptions } from "../peer/pending.js";
import { LONGEST_TIMEOUT_MS } from "./clock.js";

/**
 * What it waits for, but no longer than its caller wants.
 *
 * @param begin called when its limits are understood
 * @param what as in "Cannot flush"
 * @throws EarshotError `TIMEOUT`, `CANCELLED`
 */
export function limited<T>(
  begin: () => Promise<T>,
  { signal, timeoutMs }: WaitOptions,
  what: () => string,
): Promise<T> {
  const limitMs = checkTimeout("timeoutMs", timeoutMs);
  const isLimited = limitMs > 0 || checkSignal(signal) !== undefined;
  return isLimited ? race(begin(), limitMs, signal, what) : begin();
}

async function race<T>(
  promise: Promise<T>,
  limitMs: number,
  signal: AbortSignal | undefined,
  what: () => string,
): Promise<T> {
  let stop: () => void = () => {};
  const over = new Promise<never>((_, reject) => {
    const onAbort = () =>
      reject(new EarshotError("CANCELLED", `${what()}: the signal was aborted`, { cause: signal?.reason }));
    const onTime = () => reject(new EarshotError("TIMEOUT", `${what()}: it took longer than ${limitMs} ms`));
    // Longer than any timer is for ever.
    const timer = limitMs > 0 && limitMs <= LONGEST_TIMEOUT_MS ? setTimeout(onTime, limitMs) : undefined;
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    stop();
    promise.catch(() => {});
  }
}
