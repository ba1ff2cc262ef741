import { performance } from "node:perf_hooks";
import type { Transport } from "../transport/transport.js";

/** When what a connection has to say leaves, and what time it is meanwhile: in whole milliseconds, and asked seldom. */
export class Turn {
  /** What is answered while bytes are received leaves right after; else at the end of the turn. */
  #flush: "none" | "receiving" | "wanted" | "scheduled" = "none";
  /** Of which nobody but the session knows yet. */
  #receivedBytes = 0;
  #isEnding = false;
  #endedAt = 0;

  /** @param receivedAt what was read together came at one time */
  now(receivedAt: number): number {
    if (this.#flush === "receiving") return receivedAt;
    return this.#isEnding ? this.#endedAt : Math.floor(performance.now());
  }

  /** When bytes come. In microtasks, which are over soon, the clock is read once for a turn: after what came last was answered. */
  receivingAt({ microtasksSince }: Transport): number {
    return microtasksSince === undefined ? this.now(0) : Math.max(Math.floor(microtasksSince), this.#endedAt);
  }

  beginReceiving(): void {
    if (this.#flush === "none") this.#flush = "receiving";
  }

  /** @returns whether to flush now */
  endReceiving(bytes: number): boolean {
    this.#receivedBytes += bytes;
    if (this.#flush === "receiving") this.#flush = "none";
    return this.#flush === "wanted";
  }

  /** There is something to flush. @returns whether the end of the turn is to be waited for; else it is told */
  request({ microtasksSince }: Transport): boolean {
    if (this.#flush === "receiving") this.#flush = "wanted";
    if (this.#flush !== "none") return false;
    this.#flush = "scheduled";
    return microtasksSince === undefined;
  }

  flushed(): void {
    this.#flush = "none";
  }

  /** How much has come since this was last asked. */
  takeReceived(): number {
    const bytes = this.#receivedBytes;
    this.#receivedBytes = 0;
    return bytes;
  }

  /** Whether nothing is to be flushed. */
  get isQuiet(): boolean {
    return this.#flush === "none";
  }

  get mustFlush(): boolean {
    return this.#flush === "scheduled";
  }

  /** Whether anything is to be done at the end of this turn. */
  get isDue(): boolean {
    return this.mustFlush || this.#receivedBytes > 0;
  }

  /** Until `ended`, whatever is done is done now. */
  ending(): void {
    this.#endedAt = Math.floor(performance.now());
    this.#isEnding = true;
  }

  ended(): void {
    this.#isEnding = false;
  }
}
