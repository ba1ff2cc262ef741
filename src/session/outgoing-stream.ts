import { Copies } from "./copies.js";

/** Enough for a write at a time while the one before is under way. */
const FULL_BYTES = 131_072;
/** Writes smaller than this are put together. */
const SMALL_BYTES = 4_096;
const GATHER_BYTES = 16_384;

/** Who brings out what a stream has. */
export interface OutgoingOwner {
  /** There is something to bring out, or the end. */
  wake(): void;
  /** So many bytes more wait here, or fewer. */
  onQueued(bytes: number): void;
}

/**
 * One direction of an exchange whose bytes this side writes bit by bit. It has two ends: its writer's, and its session's,
 * which takes out what the other side has room for.
 */
export class OutgoingStream {
  /** What waits here. */
  queuedBytes = 0;
  /** Whether the end was written. */
  hasEnded = false;
  /** Nobody takes any more of it: what is written is dropped. */
  isOver = false;
  /** For the writer: there is room again, or it is over. Never called from within its own calls. */
  onChange: (() => void) | undefined;
  readonly #fullBytes: number;
  #owner: OutgoingOwner | undefined;
  #chunks: Uint8Array[] = [];
  /** How much of the first chunk is out. */
  #offset = 0;
  /** The last chunk while small writes can be added to it, and how much of it is used. */
  #gathering: Buffer | undefined;
  #gathered = 0;
  #copies: Copies | undefined;

  /** @param fullBytes how much may wait before its writer is asked to wait as well */
  constructor(fullBytes: number = FULL_BYTES) {
    this.#fullBytes = fullBytes;
  }

  /** True while its writer should wait for `onChange`. */
  get isFull(): boolean {
    return this.queuedBytes >= this.#fullBytes;
  }

  /** @param bytes must stay unchanged from now on */
  write(bytes: Uint8Array): void {
    if (this.isOver || this.hasEnded || bytes.length === 0) return;
    if (bytes.length < SMALL_BYTES) this.#gather(bytes);
    else this.#push(bytes);
    this.queuedBytes += bytes.length;
    this.#owner?.onQueued(bytes.length);
    this.#owner?.wake();
  }

  /** As `write`, for bytes that may change right after. */
  copy(bytes: Uint8Array): void {
    if (this.isOver || this.hasEnded || bytes.length < SMALL_BYTES) this.write(bytes);
    else {
      this.#copies ??= new Copies();
      this.write(this.#copies.make(bytes));
    }
  }

  end(): void {
    if (this.isOver || this.hasEnded) return;
    this.hasEnded = true;
    this.#owner?.wake();
  }

  /** For the session: from now on it takes what is written. */
  attach(owner: OutgoingOwner): void {
    this.#owner = owner;
    if (this.queuedBytes > 0) owner.onQueued(this.queuedBytes);
  }

  /** For the session: hands over exactly so many bytes, at most `queuedBytes`. */
  take(bytes: number, put: (chunk: Uint8Array) => void): void {
    const wasFull = this.isFull;
    this.#closeGathering();
    let left = bytes;
    let used = 0;
    while (left > 0) {
      const chunk = this.#chunks[used];
      if (chunk === undefined) break;
      const end = Math.min(chunk.length, this.#offset + left);
      put(this.#offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.#offset, end));
      left -= end - this.#offset;
      this.#offset = end;
      if (end < chunk.length) break;
      this.#offset = 0;
      this.#copies?.leave(chunk);
      used++;
    }
    this.#chunks.splice(0, used);
    this.queuedBytes -= bytes;
    this.#owner?.onQueued(-bytes);
    if (wasFull && !this.isFull) this.onChange?.();
  }

  /** For the session: all that it took is out. */
  release(): void {
    this.#copies?.release();
  }

  /** For the session: nobody takes any more. */
  discard(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#chunks = [];
    this.#gathering = undefined;
    this.#owner?.onQueued(-this.queuedBytes);
    this.queuedBytes = 0;
    this.onChange?.();
  }

  /** For the session: the other side takes no more, and is only told the end. */
  stop(): void {
    this.hasEnded = true;
    this.discard();
    this.#owner?.wake();
  }

  #gather(bytes: Uint8Array): void {
    if (this.#gathering === undefined || this.#gathering.length - this.#gathered < bytes.length) {
      this.#closeGathering();
      this.#gathering = Buffer.allocUnsafeSlow(this.queuedBytes === 0 ? SMALL_BYTES : GATHER_BYTES);
    }
    this.#gathering.set(bytes, this.#gathered);
    this.#gathered += bytes.length;
  }

  #push(bytes: Uint8Array): void {
    this.#closeGathering();
    this.#chunks.push(bytes);
  }

  #closeGathering(): void {
    if (this.#gathering === undefined) return;
    this.#chunks.push(this.#gathering.subarray(0, this.#gathered));
    this.#gathering = undefined;
    this.#gathered = 0;
  }
}
