import { EarshotError } from "../errors.js";
import { checkSignal, checkTimeout } from "../peer/options.js";
import type { WaitOptions } from "../peer/pending.js";

/**
 * What it waits for, but no longer than its caller wants.
 *
 * @param what as in "waiting for the disk"
 * @throws EarshotError `TIMEOUT`, `CANCELLED`
 */
export async function limited<T>(promise: Promise<T>, { signal, timeoutMs }: WaitOptions, what: string): Promise<T> {
  const limitMs = checkTimeout("timeoutMs", timeoutMs);
  if (limitMs === 0 && checkSignal(signal) === undefined) return await promise;
  let stop: () => void = () => {};
  const over = new Promise<never>((_, reject) => {
    const onAbort = () =>
      reject(new EarshotError("CANCELLED", `${what}: the signal was aborted`, { cause: signal?.reason }));
    const onTime = () => reject(new EarshotError("TIMEOUT", `${what}: it took longer than ${limitMs} ms`));
    const timer = limitMs > 0 ? setTimeout(onTime, limitMs) : undefined;
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
