import { EarshotError } from "../errors.js";
import {
  DESCRIPTORS_OFFSET,
  FIRST_OPTIONAL_TYPE,
  Flag,
  FrameType,
  HEADER_BYTES,
  KNOWN_FLAGS,
  MAX_EXCHANGE,
  maxPayloadBytes,
  OPTIONAL_FLAGS,
} from "./frame.js";

/** Who takes what a decoder finds; the decoder's fields say which frame it is. */
export interface FrameSink {
  /**
   * A frame has come that is all there, `bytes[start..end)` being its payload, borrowed.
   *
   * @returns false to be told of it bit by bit, as of others
   */
  onWhole(frame: FrameDecoder, bytes: Buffer, start: number, end: number): boolean;
  /** A header has come and is within the rules. */
  onHeader(frame: FrameDecoder): void;
  /**
   * A part of the payload: `bytes[start..end)`, borrowed. Comes at least once for each frame, also for an empty
   * payload; `frame.remaining` is 0 with the last.
   */
  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void;
}

export function violation(fact: string): EarshotError {
  return new EarshotError("PROTOCOL_VIOLATION", `Cannot read what the other side sent: ${fact}`, { op: "receive" });
}

/** Frames that may bring some. */
const MAY_HAVE_DESCRIPTORS: ReadonlySet<number> = new Set([
  FrameType.OPEN,
  FrameType.DATA,
  FrameType.LANE,
  FrameType.LEND,
]);

const TWO_32 = 0x1_0000_0000;

/** As in encode.ts, without the checks of Buffer's own methods; the caller knows that the bytes are there. */
function readU32(bytes: Uint8Array, offset: number): number {
  const low = (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
  return (low | ((bytes[offset + 2] ?? 0) << 16) | ((bytes[offset + 3] ?? 0) << 24)) >>> 0;
}

/** Reads the u64 at `offset`, little-endian; exact up to 2^53 - 1, and larger than that above. */
export function readU64(bytes: Buffer, offset: number): number {
  return readU32(bytes, offset) + readU32(bytes, offset + 4) * TWO_32;
}

/**
 * Finds frames in a stream of bytes cut anywhere. Holds no payload: it only knows how much of it is still to come,
 * so that a declared length allocates nothing here.
 */
export class FrameDecoder {
  type = 0;
  flags = 0;
  descriptors = 0;
  exchange = 0;
  /** The payload's length. */
  length = 0;
  /** How much of the payload is still to come. */
  remaining = 0;

  readonly #sink: FrameSink;
  #isInPayload = false;
  /** A header that came in pieces; made only when that happens. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether it is all of a message, and says nothing else of it. */
  get isBare(): boolean {
    return this.flags === Flag.END && this.descriptors === 0;
  }

  /** True between frames: an end of input here cuts nothing off. */
  get isAtBoundary(): boolean {
    return !this.#isInPayload && this.#partialBytes === 0;
  }

  /**
   * @param start where to begin in `bytes`.
   * @throws EarshotError `PROTOCOL_VIOLATION`; the decoder is of no use afterwards.
   */
  push(bytes: Buffer, start = 0): void {
    const sink = this.#sink;
    let offset = start;
    while (offset < bytes.length) {
      if (!this.#isInPayload) {
        const after = this.#takeHeader(bytes, offset);
        if (after < 0) return;
        offset = after;
        const whole = after + this.length;
        if (whole <= bytes.length && sink.onWhole(this, bytes, after, whole)) {
          // Whoever asks where the rest of a payload belongs must not be told of this one.
          this.remaining = 0;
          offset = whole;
          continue;
        }
        this.#isInPayload = true;
        sink.onHeader(this);
        if (this.length > 0) continue;
      }
      const end = Math.min(bytes.length, offset + this.remaining);
      this.remaining -= end - offset;
      if (this.remaining === 0) this.#isInPayload = false;
      sink.onPayload(this, bytes, offset, end);
      offset = end;
    }
  }

  /** Returns the offset after the header, or -1 when it is not complete yet. */
  #takeHeader(bytes: Buffer, offset: number): number {
    const available = bytes.length - offset;
    if (this.#partialBytes === 0 && available >= HEADER_BYTES) {
      this.#readHeader(bytes, offset);
      return offset + HEADER_BYTES;
    }
    this.#partial ??= Buffer.allocUnsafeSlow(HEADER_BYTES);
    const taken = Math.min(HEADER_BYTES - this.#partialBytes, available);
    bytes.copy(this.#partial, this.#partialBytes, offset, offset + taken);
    this.#partialBytes += taken;
    if (this.#partialBytes < HEADER_BYTES) return -1;
    this.#partialBytes = 0;
    this.#readHeader(this.#partial, 0);
    return offset + taken;
  }

  #readHeader(bytes: Buffer, offset: number): void {
    const type = bytes[offset] ?? 0;
    const flags = bytes[offset + 1] ?? 0;
    const descriptors = bytes[offset + DESCRIPTORS_OFFSET] ?? 0;
    const length = readU32(bytes, offset + 4);
    const exchange = readU64(bytes, offset + 8);
    const known = KNOWN_FLAGS[type];
    if (known === undefined && type < FIRST_OPTIONAL_TYPE) throw violation(`a frame of unknown type ${type}`);
    if (known !== undefined && (flags & ~known & ~OPTIONAL_FLAGS) !== 0) {
      throw violation(`a frame of type ${type} with unknown flags ${flags}`);
    }
    if (descriptors !== 0 && !MAY_HAVE_DESCRIPTORS.has(type)) {
      throw violation(`a frame of type ${type} with descriptors`);
    }
    if (length > maxPayloadBytes(type)) throw violation(`a frame of type ${type} that declares ${length} bytes`);
    if (exchange > MAX_EXCHANGE) throw violation("an exchange number of 2^53 or more");
    this.type = type;
    this.flags = flags;
    this.descriptors = descriptors;
    this.length = length;
    this.remaining = length;
    this.exchange = exchange;
  }
}
