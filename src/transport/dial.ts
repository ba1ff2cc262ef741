import { type EarshotError, failure, fromSystem, systemCode } from "../errors.js";
import type { SocketTarget } from "./resolve.js";
import type { Transport } from "./transport.js";

/** A full queue of connections is tried again after this long, and then after up to `MAX_RETRY_MS`. */
const FIRST_RETRY_MS = 1;
const MAX_RETRY_MS = 50;

export interface DialOptions {
  /** 0 for no limit. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Connects; a server whose queue is full is tried again until the time is up.
 *
 * @param connect tries once; throws or rejects with the system's error, or the reason of the signal, if it waits
 * @throws EarshotError `NO_SERVER`, `TIMEOUT`, `CANCELLED`, `PERMISSION_DENIED`, ...
 */
export async function dialSocket(
  target: SocketTarget,
  options: DialOptions,
  connect: (signal: () => AbortSignal) => Transport | Promise<Transport>,
): Promise<Transport> {
  const limit = new Limit(target, options);
  try {
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
      try {
        return await connect(() => limit.signal);
      } catch (error) {
        if (systemCode(error) !== "EAGAIN") throw fromSystem(error, "dial", target.text);
        const pauseMs = retryMs * (0.5 + Math.random());
        if (pauseMs > limit.leftMs) throw fromSystem(error, "dial", target.text);
        await pause(pauseMs, limit.signal).catch((reason: EarshotError) => {
          // The queue is why the time is up.
          throw reason.code === "TIMEOUT" ? fromSystem(error, "dial", target.text) : reason;
        });
      }
    }
  } finally {
    limit.dispose();
  }
}

/** Aborts, with the error to throw, when the time is up or the caller's signal aborts. Costs nothing before it is asked. */
class Limit {
  readonly #target: SocketTarget;
  readonly #options: DialOptions;
  readonly #deadline: number;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = () => this.#controller?.abort(cancelled(this.#target, this.#options.signal));

  constructor(target: SocketTarget, options: DialOptions) {
    this.#target = target;
    this.#options = options;
    this.#deadline = options.timeoutMs > 0 ? performance.now() + options.timeoutMs : Infinity;
    if (options.signal?.aborted) throw cancelled(target, options.signal);
  }

  get leftMs(): number {
    return this.#deadline - performance.now();
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      const { timeoutMs, signal } = this.#options;
      const fact = `no connection within ${timeoutMs} ms`;
      const timeUp = () => controller.abort(failure("TIMEOUT", "dial", this.#target.text, fact));
      if (timeoutMs > 0) this.#timer = setTimeout(timeUp, Math.max(0, this.leftMs));
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#controller = controller;
    }
    return this.#controller.signal;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function cancelled(target: SocketTarget, signal: AbortSignal | undefined): EarshotError {
  return failure("CANCELLED", "dial", target.text, "its signal was aborted", { cause: signal?.reason });
}
