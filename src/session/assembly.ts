import { Message } from "../message.js";
import type { BodyMemory } from "./body-memory.js";

/** A declared size is only believed this far before its bytes come. */
const FIRST_CAPACITY = 1_048_576;
/** And then for so many times as much as has come: what is not written to yet is no memory of the machine's. */
const GROWTH = 16;
/** Less room than this is not worth a read of its own. */
const MIN_SPARE_BYTES = 8_192;
const EMPTY = Buffer.alloc(0);

/** Collects the bytes of one message. Memory follows the bytes that came, not the size that was declared. */
export class Assembly {
  /** How many bytes have come. */
  length = 0;
  /** When the current window of progress began, and how many bytes it has brought. */
  windowStart: number;
  windowBytes = 0;

  readonly #expected: number | undefined;
  readonly #memory: BodyMemory | undefined;
  #buffer: Buffer = EMPTY;

  /**
   * @param expected the size that was declared, at most what the limit allows; `undefined` when nobody knows.
   * @param memory where its message is only lent
   */
  constructor(expected: number | undefined, now: number, memory?: BodyMemory) {
    this.#expected = expected;
    this.#memory = memory;
    this.windowStart = now;
  }

  /** True when as many bytes have come as were declared. */
  get isExact(): boolean {
    return this.#expected === undefined || this.#expected === this.length;
  }

  /** True when this many more bytes would be more than were declared. */
  wouldExceed(bytes: number): boolean {
    return this.#expected !== undefined && this.length + bytes > this.#expected;
  }

  /**
   * Where the next bytes may be put straight, at most so many; `append` then only counts them.
   *
   * @returns `undefined` when there is no room worth it
   */
  spare(bytes: number): Buffer | undefined {
    if (this.length === this.#buffer.length && this.#expected !== undefined) this.#grow(this.length);
    const end = Math.min(this.#buffer.length, this.length + bytes);
    return end - this.length < MIN_SPARE_BYTES ? undefined : this.#buffer.subarray(this.length, end);
  }

  append(bytes: Buffer, start: number, end: number): void {
    const needed = this.length + end - start;
    const isInPlace =
      bytes.buffer === this.#buffer.buffer && bytes.byteOffset + start === this.#buffer.byteOffset + this.length;
    if (!isInPlace) {
      if (needed > this.#buffer.length) this.#grow(needed);
      bytes.copy(this.#buffer, this.length, start, end);
    }
    this.length = needed;
    this.windowBytes += end - start;
  }

  finish(): Message {
    const message = new Message(this.#buffer, 0, this.length);
    return this.#memory?.lend(message, this.#buffer) ?? message;
  }

  #grow(needed: number): void {
    const isFirst = this.#buffer.length === 0;
    const factor = this.#expected === undefined ? 2 : GROWTH;
    const declared = isFirst ? Math.min(this.#expected ?? 0, FIRST_CAPACITY) : this.#buffer.length * factor;
    const wanted = Math.max(needed, declared);
    const size = Math.min(wanted, this.#expected ?? wanted);
    const grown = this.#memory?.take(size) ?? Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.length);
    this.#memory?.give(this.#buffer);
    this.#buffer = grown;
  }
}
