import { statSync } from "node:fs";
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
  /** As for `Spin`; of no use to `node:net`. */
  readonly spinUs: number;
}

/**
 * Connects; a server whose queue is full is tried again until the time is up.
 *
 * @param connect tries once; throws or rejects with the system's error. It never takes long: to a Unix socket the kernel
 * connects at once, or says why not
 * @throws EarshotError `NO_SERVER`, `OVERLOADED`, `CANCELLED`, `PERMISSION_DENIED`, ...
 */
export async function dialSocket(
  target: SocketTarget,
  { timeoutMs, signal }: DialOptions,
  connect: () => Transport | Promise<Transport>,
): Promise<Transport> {
  const deadline = timeoutMs > 0 ? performance.now() + timeoutMs : Infinity;
  if (signal?.aborted) throw cancelled(target, signal);
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
    try {
      const transport = await connect();
      if (!signal?.aborted) return transport;
      transport.close();
      throw cancelled(target, signal);
    } catch (error) {
      const pauseMs = retryMs * (0.5 + Math.random());
      const isWorthWaiting = systemCode(error) === "EAGAIN" && performance.now() + pauseMs <= deadline;
      if (!isWorthWaiting) throw explain(error, target);
      await pause(pauseMs, target, signal);
    }
  }
}

/** The kernel refuses a file that is no socket as it does a socket that nobody has: only a look tells. */
function explain(error: unknown, target: SocketTarget): EarshotError {
  if (target.kind === "path" && systemCode(error) === "ECONNREFUSED" && !isSocket(target.path)) {
    return failure("NOT_A_SOCKET", "dial", target.text, "the file there is not a socket", { cause: error });
  }
  return fromSystem(error, "dial", target.text);
}

/** What cannot be looked at is taken for one. */
function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return true;
  }
}

function pause(ms: number, target: SocketTarget, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(cancelled(target, signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function cancelled(target: SocketTarget, signal: AbortSignal | undefined): EarshotError {
  return failure("CANCELLED", "dial", target.text, "its signal was aborted", { cause: signal?.reason });
}
