import type { Request } from "../session/session.js";

interface Watched {
  readonly requests: Set<Request>;
  readonly onAbort: () => void;
}

/**
 * The requests of a client that are given up when a signal aborts: one listener for each signal, however many requests have it,
 * because Node takes more than ten for a leak, and walks past all of them to remove one.
 */
export class GivingUp {
  readonly #cancel: (request: Request) => void;
  /** A signal that no request has any more is not kept. */
  readonly #bySignal = new Map<AbortSignal, Watched>();

  /** @param cancel gives up a request, which lets go of its signal then */
  constructor(cancel: (request: Request) => void) {
    this.#cancel = cancel;
  }

  /** From now on the signal ends the request; one that has aborted already does not. */
  watch(signal: AbortSignal, request: Request): void {
    const known = this.#bySignal.get(signal);
    if (known !== undefined) {
      known.requests.add(request);
      return;
    }
    const requests = new Set([request]);
    const onAbort = () => {
      this.#bySignal.delete(signal);
      for (const each of requests) this.#cancel(each);
    };
    this.#bySignal.set(signal, { requests, onAbort });
    signal.addEventListener("abort", onAbort, { once: true });
  }

  /** The signal has no meaning for it any more. */
  forget(signal: AbortSignal, request: Request): void {
    const known = this.#bySignal.get(signal);
    if (known === undefined || !known.requests.delete(request) || known.requests.size > 0) return;
    this.#bySignal.delete(signal);
    signal.removeEventListener("abort", known.onAbort);
  }
}
