import type { EarshotError } from "../errors.js";
import { violation } from "../wire/decode.js";

/** Less room than this is not worth a read of its own. */
const MIN_SPARE_BYTES = 8_192;
/** Up to this size chunks come from memory that is shared with others. */
const POOLED_BYTES = 4_096;
/** Small pieces behind others that are not read are put together in memory of this size: a piece costs more than its bytes. */
const GATHER_BYTES = 8_192;
/** After so many chunks their places are used again, also if the last is never reached. */
const COMPACT_AT = 64;

/** Who grants the other side more, as its bytes are read. */
export interface IncomingOwner {
  /** So many bytes more are held here, or fewer. */
  onHeld(bytes: number): void;
  /** So many bytes were read. */
  onRead(stream: IncomingStream, bytes: number): void;
  /** The reader wants no more. */
  onStop(stream: IncomingStream): void;
}

/** What a side that does not keep to its credit is told. */
export function tooMuch(): EarshotError {
  return violation("more bytes of a message than this side has room for");
}

/**
 * One direction of an exchange that the other side writes bit by bit. It has two ends: its session's, which puts in what
 * comes, and its reader's.
 */
export class IncomingStream {
  readonly exchange: number;
  /** As it was declared; `undefined` where it was not. */
  readonly sizeBytes: number | undefined;
  /** How many bytes have come. */
  receivedBytes = 0;
  /** How many the other side may still send; `Infinity` where only the transport holds it back. */
  windowBytes: number;
  /** How many there are that were not read. */
  bufferedBytes = 0;
  /** The end has come. */
  hasEnded = false;
  /** The reader wants no more: what still comes is skipped. */
  isStopped = false;
  /** Nothing more will come, whether it has ended or not. */
  isOver = false;
  /** For the reader: something has come, or the end. */
  onChange: (() => void) | undefined;
  readonly #owner: IncomingOwner;
  #chunks: Buffer[] = [];
  #head = 0;
  /** What came behind the chunks, put together, and how much of it is used. */
  #tail: Buffer | undefined;
  #tailBytes = 0;
  /** A frame of which a part has come. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(owner: IncomingOwner, exchange: number, windowBytes: number, sizeBytes: number | undefined) {
    this.#owner = owner;
    this.exchange = exchange;
    this.windowBytes = windowBytes;
    this.sizeBytes = sizeBytes;
  }

  /** How many have come and were not read, those of a frame that is half there included. */
  get unreadBytes(): number {
    return this.bufferedBytes + (this.#partial === undefined ? 0 : this.#partialBytes);
  }

  /** What came first and was not read; its memory is the reader's. `undefined` when there is nothing now. */
  read(): Buffer | undefined {
    if (this.#head === this.#chunks.length) this.#closeTail();
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    this.#chunks[this.#head++] = NOTHING;
    if (this.#head === this.#chunks.length || (this.#head >= COMPACT_AT && this.#head * 2 >= this.#chunks.length)) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
    this.bufferedBytes -= chunk.length;
    this.#owner.onHeld(-chunk.length);
    this.#owner.onRead(this, chunk.length);
    return chunk;
  }

  /** Reads no more. */
  stop(): void {
    if (this.isStopped) return;
    this.discard();
    if (!this.hasEnded && !this.isOver) this.#owner.onStop(this);
  }

  /** For the session: nobody will read it. */
  discard(): void {
    this.isStopped = true;
    this.#drop();
  }

  /** For the session: a part of a frame has come, and `remaining` bytes of the same frame are on their way. */
  receive(bytes: Buffer, start: number, end: number, remaining: number): void {
    const count = end - start;
    if (this.isStopped) return;
    if (count + remaining > this.windowBytes) throw tooMuch();
    this.windowBytes -= count;
    this.receivedBytes += count;
    if (this.sizeBytes !== undefined && this.receivedBytes + remaining > this.sizeBytes) {
      throw violation("a message longer than it says");
    }
    if (this.#partial !== undefined) this.#fill(bytes, start, end, remaining);
    else if (remaining > 0) {
      if (count === 0) return;
      this.#partial = Buffer.allocUnsafeSlow(count + remaining);
      this.#owner.onHeld(count + remaining);
      this.#partialBytes = 0;
      this.#fill(bytes, start, end, remaining);
    } else if (count > 0) {
      this.#owner.onHeld(count);
      if (this.#isGathered(count)) this.#gather(bytes, start, end);
      else {
        const chunk = count <= POOLED_BYTES ? Buffer.allocUnsafe(count) : Buffer.allocUnsafeSlow(count);
        bytes.copy(chunk, 0, start, end);
        this.#push(chunk);
      }
    }
  }

  /** For the session: bytes that are the reader's from now on. */
  give(chunk: Buffer): void {
    if (this.isStopped) return;
    this.receivedBytes += chunk.length;
    this.#owner.onHeld(chunk.length);
    this.#push(chunk);
  }

  /** For the session: where the rest of a frame may be put straight. */
  spare(bytes: number): Buffer | undefined {
    if (this.#partial === undefined) return undefined;
    const end = Math.min(this.#partial.length, this.#partialBytes + bytes);
    return end - this.#partialBytes < MIN_SPARE_BYTES ? undefined : this.#partial.subarray(this.#partialBytes, end);
  }

  /** For the session: the last frame has come. */
  end(): void {
    if (!this.isStopped && this.sizeBytes !== undefined && this.receivedBytes !== this.sizeBytes) {
      throw violation("a message shorter than it says");
    }
    this.hasEnded = true;
    this.isOver = true;
    this.onChange?.();
  }

  /** For the session: nothing more will come. What has come can still be read. */
  close(): void {
    this.isOver = true;
    if (this.#partial !== undefined) this.#owner.onHeld(-this.#partial.length);
    this.#partial = undefined;
  }

  #fill(bytes: Buffer, start: number, end: number, remaining: number): void {
    const partial = this.#partial;
    if (partial === undefined) return;
    const at = partial.byteOffset + this.#partialBytes;
    if (bytes.buffer !== partial.buffer || bytes.byteOffset + start !== at) {
      bytes.copy(partial, this.#partialBytes, start, end);
    }
    this.#partialBytes += end - start;
    if (remaining > 0) return;
    this.#partial = undefined;
    this.#push(partial);
  }

  #isGathered(bytes: number): boolean {
    return bytes <= POOLED_BYTES && this.bufferedBytes > 0;
  }

  /** A small piece behind others. */
  #gather(bytes: Buffer, start: number, end: number): void {
    if (this.#tail === undefined || this.#tail.length - this.#tailBytes < end - start) {
      this.#closeTail();
      this.#tail = Buffer.allocUnsafeSlow(GATHER_BYTES);
    }
    bytes.copy(this.#tail, this.#tailBytes, start, end);
    this.#tailBytes += end - start;
    this.bufferedBytes += end - start;
    this.onChange?.();
  }

  #closeTail(): void {
    if (this.#tail === undefined) return;
    const used = this.#tail.subarray(0, this.#tailBytes);
    // Who keeps a few bytes is not to keep all of the memory with them.
    this.#chunks.push(2 * used.length < this.#tail.length ? Buffer.from(used) : used);
    this.#tail = undefined;
    this.#tailBytes = 0;
  }

  #push(chunk: Buffer): void {
    if (this.#isGathered(chunk.length)) {
      this.#gather(chunk, 0, chunk.length);
      return;
    }
    this.#closeTail();
    this.#chunks.push(chunk);
    this.bufferedBytes += chunk.length;
    this.onChange?.();
  }

  #drop(): void {
    const partialBytes = this.#partial?.length ?? 0;
    this.#partial = undefined;
    this.#chunks = [];
    this.#head = 0;
    this.#tail = undefined;
    this.#tailBytes = 0;
    if (this.bufferedBytes + partialBytes > 0) this.#owner.onHeld(-this.bufferedBytes - partialBytes);
    this.bufferedBytes = 0;
  }
}

const NOTHING = Buffer.alloc(0);
