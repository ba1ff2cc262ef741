const SLAB_BYTES = 65_536;
/** A message that leaves less than this behind begins the next slab, so that hardly any must be moved. */
const LEAST_ROOM = 2_048;

/**
 * Where messages are written, one after the other. What `take` returns is never written to again: the memory goes on
 * behind it, in slabs, and is freed when nobody has a message of a slab any more.
 */
export class Writer {
  bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  view: DataView = viewOf(this.bytes);
  /** Where the next byte goes. */
  at = 0;
  #start = 0;

  /** How many bytes there are since the last `take`. */
  get length(): number {
    return this.at - this.#start;
  }

  /** Begins a message; one that was begun and not taken is dropped. */
  begin(): void {
    this.at = this.#start;
    if (this.bytes.length - this.at < LEAST_ROOM) this.#renew(SLAB_BYTES);
  }

  /** Makes sure that there is place for so many bytes. */
  reserve(bytes: number): void {
    if (this.bytes.length - this.at < bytes) this.#grow(bytes);
  }

  /** All bytes since the last `take`, the caller's from now on. */
  take(): Buffer {
    const message = this.bytes.subarray(this.#start, this.at);
    this.#start = this.at;
    return message;
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
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A place, `at`, in terms that stay true when the memory is moved. */
  mark(): number {
    return this.at - this.#start;
  }

  /** Fills a u32, little-endian, that was left free at `mark`. */
  setUint32(mark: number, value: number): void {
    this.view.setUint32(this.#start + mark, value, true);
  }

  #grow(bytes: number): void {
    const length = this.at - this.#start;
    const old = this.bytes;
    const from = this.#start;
    this.#renew(Math.max(SLAB_BYTES, 2 * (length + bytes)));
    old.copy(this.bytes, 0, from, from + length);
    this.at = length;
  }

  #renew(bytes: number): void {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.view = viewOf(this.bytes);
    this.#start = 0;
    this.at = 0;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
