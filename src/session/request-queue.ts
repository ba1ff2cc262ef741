import { Fifo } from "./fifo.js";
import { type Excess, excessOf, type PeerLimits } from "./peer-limits.js";
import type { Request } from "./session.js";

/** So many messages may be under way before the server has said how many it takes. */
export const FIRST_IN_FLIGHT = 32;

interface Memory extends PeerLimits {
  readonly peerMaxInFlight: number | undefined;
}

/** Messages of ours that the other side does not take yet: it has said how many it takes at a time. */
export class RequestQueue {
  readonly #memory: Memory;
  readonly #waiting = new Fifo<Request>();

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  push(request: Request): void {
    request.state = "waiting";
    this.#waiting.push(request);
  }

  drop(request: Request): void {
    this.#waiting.drop(request);
  }

  items(): Request[] {
    return this.#waiting.items();
  }

  /**
   * Takes out the next that may go.
   *
   * @param busy how many are under way
   * @param refuse gets those that the other side will not take
   */
  shift(busy: number, refuse: (request: Request, excess: Excess) => void): Request | undefined {
    while (this.#waiting.size > 0 && busy < (this.#memory.peerMaxInFlight ?? FIRST_IN_FLIGHT)) {
      const request = this.#waiting.peek();
      if (request === undefined || this.#isTooEarly(request)) return undefined;
      this.#waiting.shift();
      const { length } = request.descriptors;
      const excess = length > 0 ? excessOf(this.#memory, "", length) : undefined;
      if (excess === undefined) return request;
      refuse(request, excess);
    }
    return undefined;
  }

  /** Whether the other side takes descriptors is known from its greeting on; what comes behind keeps its place. */
  #isTooEarly(request: Request): boolean {
    return request.descriptors.length > 0 && this.#memory.peerMaxDescriptors === undefined;
  }
}
