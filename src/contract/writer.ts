import { COPY_BYTES } from "../session/output.js";
import type { Lender } from "../session/session.js";
import { CodecError } from "./codec.js";
import { writeUtf8 } from "./utf8.js";

const MAX_SLAB_BYTES = 65_536;
/** A message that finds less than this part of a slab begins the next one, so that hardly any must be moved. */
const LEAST_PART = 1 / 32;
const FEW_BYTES = 24;

/**
 * Where messages are written, one after the other. What `take` returns is never written to again: the memory goes on
 * behind it, in slabs, and is freed when nobody has a message of a slab any more.
 */
export class Writer implements Lender {
  bytes: Buffer;
  view: DataView;
  /** Where the next byte goes. */
  at = 0;
  #start = 0;
  #slabBytes: number;
  #isOpen = false;
  /** How many messages are lent. */
  #lent = 0;
  /** Something of this slab was given away: it is not used again. */
  #isPinned = false;
  /** What was lent of this slab, in order: when it is used again for messages of the same sizes, so are these. */
  #views: Uint8Array[] = [];
  /** Where each of them ends; to ask them takes longer. */
  #ends: number[] = [];
  #nth = 0;

  /** @param slabBytes of the first slab; each next one is twice as large, up to 64 KiB */
  constructor(slabBytes = MAX_SLAB_BYTES) {
    this.#slabBytes = slabBytes;
    this.bytes = Buffer.allocUnsafeSlow(slabBytes);
    this.view = viewOf(this.bytes);
  }

  /** How many bytes there are since the last `take`. */
  get length(): number {
    return this.at - this.#start;
  }

  /** Begins a message. @throws CodecError in the middle of another: only a getter or a `toJSON` can be there */
  begin(): void {
    if (this.#isOpen) throw new CodecError("a value whose getter or toJSON calls a procedure");
    this.#isOpen = true;
    if (this.bytes.length - this.at < LEAST_PART * this.#slabBytes) {
      this.#slabBytes = Math.min(MAX_SLAB_BYTES, 2 * this.#slabBytes);
      this.#renew(this.#slabBytes);
    }
  }

  /** Forgets the message that was begun. */
  drop(): void {
    this.#isOpen = false;
    this.at = this.#start;
  }

  /** Makes sure that there is place for so many bytes. */
  reserve(bytes: number): void {
    if (this.bytes.length - this.at < bytes) this.#grow(bytes);
  }

  /** All bytes since the last `take`, the caller's from now on. */
  take(): Uint8Array {
    const { bytes } = this;
    const message = new Uint8Array(bytes.buffer, bytes.byteOffset + this.#start, this.at - this.#start);
    this.#start = this.at;
    this.#isOpen = false;
    this.#isPinned = true;
    // The next one that is lent begins elsewhere.
    if (this.#views.length > this.#nth) this.#views.length = this.#nth;
    return message;
  }

  /**
   * The same for a message that a session is to send, with this writer as its `lender`: the session copies short ones when
   * it sends them, and their memory is used again when all that was lent has come back.
   */
  lend(): Uint8Array {
    this.#lent++;
    const length = this.at - this.#start;
    if (length > COPY_BYTES) return this.take();
    const nth = this.#nth++;
    let message = this.#views[nth];
    // Each begins where the one before it ends.
    if (message === undefined || this.#ends[nth] !== this.at) {
      const { bytes } = this;
      message = new Uint8Array(bytes.buffer, bytes.byteOffset + this.#start, length);
      // What comes behind it would begin elsewhere.
      this.#views.length = nth;
      this.#views[nth] = message;
      this.#ends[nth] = this.at;
    }
    this.#start = this.at;
    this.#isOpen = false;
    return message;
  }

  /** One that was lent is back. */
  release(): void {
    this.#lent--;
    if (this.#lent > 0 || this.#isPinned || this.#isOpen) return;
    this.#start = 0;
    this.at = 0;
    this.#nth = 0;
  }

  byte(value: number): void {
    if (this.at === this.bytes.length) this.#grow(1);
    this.bytes[this.at++] = value;
  }

  uint16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  uint32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    this.reserve(length);
    const target = this.bytes;
    // For few bytes the call costs more than the loop.
    if (length > FEW_BYTES) target.set(bytes, this.at);
    else for (let index = 0, at = this.at; index < length; index++) target[at + index] = bytes[index] as number;
    this.at += length;
  }

  /** @param bytes how many it has as UTF-8 */
  text(text: string, bytes: number): void {
    this.reserve(bytes);
    this.at += writeUtf8(this.bytes, text, this.at, bytes);
  }

  /** Forgets what was written since `mark`. */
  back(mark: number): void {
    this.at = this.#start + mark;
  }

  /** A place, `at`, in terms that stay true when the memory is moved. */
  mark(): number {
    return this.at - this.#start;
  }

  /** Fills a u16, little-endian, that was left free at `mark`. */
  setUint16(mark: number, value: number): void {
    this.view.setUint16(this.#start + mark, value, true);
  }

  /** The same for a u32. */
  setUint32(mark: number, value: number): void {
    this.view.setUint32(this.#start + mark, value, true);
  }

  #grow(bytes: number): void {
    const length = this.at - this.#start;
    const old = this.bytes;
    const from = this.#start;
    this.#renew(Math.max(this.#slabBytes, 2 * (length + bytes)));
    old.copy(this.bytes, 0, from, from + length);
    this.at = length;
  }

  #renew(bytes: number): void {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.view = viewOf(this.bytes);
    this.#start = 0;
    this.at = 0;
    this.#isPinned = false;
    this.#views = [];
    this.#nth = 0;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
