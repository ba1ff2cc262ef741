import { violation } from "../wire/decode.js";
import type { Request, SessionHost } from "./session.js";

const NONE: readonly number[] = [];

/**
 * Descriptors between the read that brought them and the frame that they belong to. The other side sends them with the
 * first byte of their frame, so that none waits while no frame is half there.
 */
export class DescriptorQueue {
  readonly #limit: number;
  #waiting: readonly number[] = NONE;

  /** @param limit the most that this side takes with one message */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  push(descriptors: readonly number[]): void {
    this.#waiting = [...this.#waiting, ...descriptors];
  }

  /** Those of a frame that announces so many. @throws EarshotError `PROTOCOL_VIOLATION` */
  take(count: number, limit: number = this.#limit): readonly number[] {
    if (count === 0) return NONE;
    if (count > limit) throw violation(`a frame with ${count} descriptors, of which this side takes ${limit}`);
    if (count > this.#waiting.length) throw violation(`a frame that lacks ${count - this.#waiting.length} descriptors`);
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return taken;
  }

  /** @param isAtBoundary whether no frame is half there @throws EarshotError `PROTOCOL_VIOLATION` */
  assertClaimed(isAtBoundary: boolean): void {
    if (isAtBoundary && !this.isEmpty) throw violation("descriptors that belong to no frame");
  }

  /** Takes out all, to be closed. */
  clear(): readonly number[] {
    const all = this.#waiting;
    this.#waiting = NONE;
    return all;
  }
}

/** Closes those of a request that did not leave, and those of a reply that nobody gets. */
export function closeDescriptors(host: Pick<SessionHost, "closeDescriptors">, request: Request): void {
  const { descriptors, replyDescriptors } = request;
  if (descriptors.length === 0 && replyDescriptors.length === 0) return;
  host.closeDescriptors([...descriptors, ...replyDescriptors]);
  request.descriptors = NONE;
  request.replyDescriptors = NONE;
}
