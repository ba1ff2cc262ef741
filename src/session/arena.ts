/** How much of small frames is gathered for one write. */
const ARENA_BYTES = 65_536;

/**
 * The memory in which small frames are put together. One serves all connections of a server, or all clients: a flush uses it
 * from beginning to end, and gives back at once what the kernel took at once.
 */
export class Arena {
  buffer: Buffer = Buffer.alloc(0);
  used = 0;
  #view: Buffer | undefined;
  #viewStart = 0;

  /** Makes sure that this many bytes are free behind `used`. What was handed out before stays as it is. */
  ensure(bytes: number): void {
    if (this.buffer.length - this.used >= bytes) return;
    this.buffer = Buffer.allocUnsafeSlow(Math.max(bytes, ARENA_BYTES));
    this.#view = undefined;
    this.used = 0;
  }

  /** A part of the buffer; the last one again if it is the same, as with many messages of one size. */
  view(start: number, end: number): Buffer {
    if (this.#view?.length !== end - start || this.#viewStart !== start) {
      this.#view = this.buffer.subarray(start, end);
      this.#viewStart = start;
    }
    return this.#view;
  }

  /** Everything that was handed out is out: begin anew. */
  reuse(): void {
    this.used = 0;
  }

  /** What was handed out is still in use, who knows how long: only the rest is ours. */
  abandon(): void {
    this.buffer = this.buffer.subarray(this.used);
    this.#view = undefined;
    this.used = 0;
  }
}
