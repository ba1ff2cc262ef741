/** Smaller ones are not worth keeping memory for, larger ones not worth its size. */
const LEAST_BYTES = 16_384;
const MOST_BYTES = 1_048_576;

/**
 * Copies of what a stream's writer may change as soon as it has written it. Their memory is used again when they are out:
 * a gigabyte of new memory makes V8 collect thirty times.
 */
export class Copies {
  /** In the order in which they were made, which is that in which they leave. */
  #waiting: Buffer[] = [];
  #leaving: Buffer[] = [];
  #spare: Buffer[] = [];

  make(bytes: Uint8Array): Buffer {
    const { length } = bytes;
    if (length < LEAST_BYTES || length > MOST_BYTES) return Buffer.from(bytes);
    const spare = this.#spare.pop();
    const memory = spare !== undefined && spare.length >= length ? spare : Buffer.allocUnsafeSlow(length);
    memory.set(bytes);
    this.#waiting.push(memory);
    return memory.length === length ? memory : memory.subarray(0, length);
  }

  /** The last bytes of a chunk, copied or not, are on their way. */
  leave({ buffer }: Uint8Array): void {
    if (this.#waiting[0]?.buffer !== buffer) return;
    this.#leaving.push(this.#waiting.shift() as Buffer);
  }

  /** All that is on its way is out. */
  release(): void {
    if (this.#leaving.length === 0) return;
    this.#spare.push(...this.#leaving);
    this.#leaving = [];
  }
}
