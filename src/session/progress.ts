import { EarshotError } from "../errors.js";
import type { Assembly } from "./assembly.js";

/** An unfinished message must bring this much in each window of `messageTimeoutMs`, or its end. */
export const MIN_PROGRESS_BYTES = 65_536;

interface Unfinished {
  readonly assembly: Assembly | undefined;
}

/** Watches whether the messages that are collected go on. */
export class ProgressWatch {
  /** When to look again. */
  nextCheck = Infinity;
  readonly #windowMs: number;

  /** @param windowMs 0 for no limit */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** A part of a message has come. */
  begin(assembly: Assembly): void {
    if (this.#windowMs > 0 && this.nextCheck === Infinity) this.nextCheck = assembly.windowStart + this.#windowMs;
  }

  /** @throws EarshotError `TIMEOUT` when one makes no progress */
  check(now: number, messages: readonly Unfinished[]): void {
    let next = Infinity;
    for (const { assembly } of messages) {
      if (assembly === undefined) continue;
      if (assembly.windowBytes >= MIN_PROGRESS_BYTES) {
        assembly.windowStart = now;
        assembly.windowBytes = 0;
      } else if (now - assembly.windowStart >= this.#windowMs) {
        const fact = `an unfinished message brought fewer than ${MIN_PROGRESS_BYTES} bytes in ${this.#windowMs} ms`;
        throw new EarshotError("TIMEOUT", `Cannot receive the message: ${fact}`, { op: "receive" });
      }
      next = Math.min(next, assembly.windowStart + this.#windowMs);
    }
    this.nextCheck = next;
  }

  /** Reading goes on after a pause: every unfinished message begins a new window. */
  resumed(now: number, messages: readonly Unfinished[]): void {
    for (const { assembly } of messages) {
      if (assembly !== undefined) assembly.windowStart = now;
    }
  }
}
