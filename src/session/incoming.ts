import { Message } from "../message.js";
import { type FrameDecoder, readU64, violation } from "../wire/decode.js";
import {
  DEADLINE_BYTES,
  FIRST_WINDOW_BYTES,
  Flag,
  META_LENGTH_BYTES,
  SIZE_BYTES,
  WINDOW_BYTES,
} from "../wire/frame.js";
import { type Meta, readMetaLength } from "../wire/meta.js";
import { Assembly } from "./assembly.js";
import type { BodyMemory } from "./body-memory.js";
import type { Borrowing } from "./borrowing.js";
import type { FramedMemory } from "./framed-options.js";
import { type IncomingStream, tooMuch } from "./incoming-stream.js";
import { MetaReader } from "./meta-reader.js";
import type { Streams } from "./streams.js";

/** Small messages that came in one read share a copy of it, up to this size: one allocation, and little kept by accident. */
const SHARED_COPY_BYTES = 16_384;

/** Those that came in so small a read share memory with other such reads, too: no view is made to copy them. */
const SMALL_READ_BYTES = 1_024;
/** As `Buffer.poolSize`: so much is kept at most by one of them. */
const SLAB_BYTES = 8_192;
let slab = Buffer.alloc(0);
let slabUsed = 0;

export interface Clock {
  now(): number;
}

/** One direction of an exchange, as it comes in. */
export interface Incoming {
  assembly: Assembly | undefined;
  /** From the first frame; -1 when it did not say. */
  deadlineMs: number;
  /** Whether it is wanted as a stream, if it does not fit one frame; and that stream. */
  readonly isStreamed: boolean;
  incoming: IncomingStream | undefined;
  /** Whether it is wanted where it is, if it is lent. */
  readonly isBorrowed: boolean;
  readonly isSystem: boolean;
  /** How much of the other direction may be sent; -1 for all. */
  creditBytes: number;
  /** Its id and headers, if it has any. */
  meta?: Meta | undefined;
}

/** What a part of a payload led to. */
export type Progress = Message | "more" | "ended" | "too-large";

/** Reads the payloads of OPEN and DATA frames: their fields, and their bytes into messages. */
export class BodyReader {
  readonly #maxMessageBytes: number;
  readonly #clock: Clock;
  readonly #streams: Streams;
  readonly #connection: Pick<FramedMemory, "loans">;
  readonly #memory: BodyMemory | undefined;
  #fieldBytes = 0;
  #fields: Buffer | undefined;
  #fieldsRead = 0;
  #sizeBytes = -1;
  #deadlineMs = -1;
  #windowBytes = -1;
  #meta: Meta | undefined;
  #metaReader: MetaReader | undefined;
  #isWholeInFrame = false;
  #bodyBytes = 0;

  #copy: Buffer | undefined;
  #copyStart = 0;

  /** @param memory where large messages are only lent */
  constructor(
    maxMessageBytes: number,
    clock: Clock,
    streams: Streams,
    connection: Pick<FramedMemory, "loans">,
    memory?: BodyMemory,
  ) {
    this.#connection = connection;
    this.#maxMessageBytes = maxMessageBytes;
    this.#streams = streams;
    this.#clock = clock;
    this.#memory = memory;
  }

  /** What was borrowed for the last read is gone; call it before each. */
  forgetRead(): void {
    this.#copy = undefined;
  }

  /** A frame begins. @param isFirst whether it is the first of its direction. */
  begin(frame: FrameDecoder, isFirst: boolean): void {
    const { flags } = frame;
    this.#deadlineMs = -1;
    this.#sizeBytes = -1;
    this.#fieldsRead = 0;
    this.#windowBytes = -1;
    this.#meta = undefined;
    this.#metaReader = undefined;
    this.#fieldBytes =
      ((flags & Flag.DEADLINE) !== 0 ? DEADLINE_BYTES : 0) +
      ((flags & Flag.SIZE) !== 0 ? SIZE_BYTES : 0) +
      ((flags & Flag.WINDOW) !== 0 ? WINDOW_BYTES : 0) +
      ((flags & Flag.META) !== 0 ? META_LENGTH_BYTES : 0);
    if (!isFirst && this.#fieldBytes > 0) throw violation("a later frame of a message that declares its size");
    if (this.#fieldBytes > frame.length) throw violation("a frame shorter than its fields");
    this.#bodyBytes = frame.length - this.#fieldBytes;
    this.#isWholeInFrame = isFirst && (flags & Flag.END) !== 0;
  }

  /** A message that has come whole, in one frame without fields; `undefined` for one that may be too large. */
  takeWhole(bytes: Buffer, start: number, end: number): Message | undefined {
    if (end - start > Math.min(FIRST_WINDOW_BYTES, this.#maxMessageBytes)) return undefined;
    this.#streams.passed();
    return this.#copyOut(bytes, start, end);
  }

  /** A part of the payload of the frame that began last. */
  take(frame: FrameDecoder, incoming: Incoming, bytes: Buffer, start: number, end: number): Progress {
    let offset = start;
    if (this.#fieldsRead < this.#fieldBytes) {
      offset = this.#takeFields(frame, bytes, start, end);
      if (this.#fieldsRead < this.#fieldBytes) return "more";
    }
    const isLast = frame.remaining === 0;
    const { loans } = this.#connection;
    if (loans?.borrowing.announced !== undefined) return this.#takeLent(loans.borrowing, incoming);
    if (incoming.incoming !== undefined) return this.#pass(frame, incoming.incoming, bytes, offset, end);
    if (incoming.assembly === undefined) {
      this.#keepFields(incoming);
      const expected = this.#expectedBytes();
      if (incoming.isStreamed && !this.#isWholeInFrame) {
        incoming.incoming = this.#streams.begin(frame.exchange, expected);
        return this.#pass(frame, incoming.incoming, bytes, offset, end);
      }
      if (incoming.isStreamed && this.#bodyBytes > FIRST_WINDOW_BYTES) throw tooMuch();
      if (!incoming.isStreamed && (expected ?? this.#bodyBytes) > this.#maxMessageBytes) return "too-large";
      if (isLast && this.#isWholeInFrame && end - offset === this.#bodyBytes) {
        if (expected !== this.#bodyBytes)
          throw violation(`a message ${this.#sizeBytes > this.#bodyBytes ? "shorter" : "longer"} than it says`);
        this.#streams.passed();
        return this.#copyOut(bytes, offset, end);
      }
      incoming.assembly = new Assembly(expected, this.#clock.now(), this.#memory);
    }
    if (!incoming.isStreamed && incoming.assembly.length + end - offset > this.#maxMessageBytes) return "too-large";
    return this.#append(frame, incoming.assembly, bytes, offset, end, isLast);
  }

  #keepFields(incoming: Incoming): void {
    if (this.#deadlineMs >= 0) incoming.deadlineMs = this.#deadlineMs;
    if (this.#windowBytes >= 0) incoming.creditBytes = this.#windowBytes;
    if (this.#meta !== undefined) incoming.meta = this.#meta;
  }

  /** The bytes of the message are in memory of the other side, and none in its only frame. */
  #takeLent(borrowing: Borrowing, incoming: Incoming): Progress {
    if (!this.#isWholeInFrame || this.#bodyBytes > 0 || this.#sizeBytes >= 0)
      throw violation("a LEND before a frame that is not all of its message, or has bytes of its own");
    this.#keepFields(incoming);
    const bytes = borrowing.announced?.bytes ?? 0;
    if (!incoming.isStreamed && bytes > this.#maxMessageBytes) {
      borrowing.dropAnnounced();
      return "too-large";
    }
    this.#streams.passed();
    const mayBorrow = incoming.isBorrowed || this.#memory !== undefined;
    return mayBorrow && !incoming.isSystem && !incoming.isStreamed ? borrowing.borrow() : borrowing.copy();
  }

  #pass(frame: FrameDecoder, stream: IncomingStream, bytes: Buffer, start: number, end: number): Progress {
    stream.receive(bytes, start, end, frame.remaining);
    if (frame.remaining > 0 || (frame.flags & Flag.END) === 0) return "more";
    stream.end();
    return "ended";
  }

  #append(
    frame: FrameDecoder,
    assembly: Assembly,
    bytes: Buffer,
    start: number,
    end: number,
    isLast: boolean,
  ): Progress {
    if (assembly.wouldExceed(end - start)) throw violation("a message longer than it says");
    assembly.append(bytes, start, end);
    if (!isLast || (frame.flags & Flag.END) === 0) return "more";
    if (!assembly.isExact) throw violation("a message shorter than it says");
    return assembly.finish();
  }

  /** The size of the whole message: declared, or known because it has one frame. */
  #expectedBytes(): number | undefined {
    if (this.#sizeBytes >= 0) return this.#sizeBytes;
    return this.#isWholeInFrame ? this.#bodyBytes : undefined;
  }

  #takeFields(frame: FrameDecoder, bytes: Buffer, start: number, end: number): number {
    const after = this.#metaReader === undefined ? this.#takeFixed(frame, bytes, start, end) : start;
    const reader = this.#metaReader;
    if (reader === undefined) return after;
    const taken = reader.take(bytes, after, end);
    this.#fieldsRead += taken;
    this.#meta = reader.meta;
    return after + taken;
  }

  /** Those whose size is known before they come. */
  #takeFixed(frame: FrameDecoder, bytes: Buffer, start: number, end: number): number {
    const wanted = this.#fieldBytes;
    const taken = Math.min(wanted - this.#fieldsRead, end - start);
    let fields = bytes;
    let at = start;
    if (taken < wanted) {
      this.#fields ??= Buffer.allocUnsafeSlow(DEADLINE_BYTES + SIZE_BYTES + WINDOW_BYTES + META_LENGTH_BYTES);
      bytes.copy(this.#fields, this.#fieldsRead, start, start + taken);
      fields = this.#fields;
      at = 0;
    }
    this.#fieldsRead += taken;
    if (this.#fieldsRead === wanted) {
      if ((frame.flags & Flag.DEADLINE) !== 0) {
        this.#deadlineMs = fields.readUInt32LE(at);
        at += DEADLINE_BYTES;
      }
      if ((frame.flags & Flag.SIZE) !== 0) {
        this.#sizeBytes = readU64(fields, at);
        at += SIZE_BYTES;
      }
      if ((frame.flags & Flag.WINDOW) !== 0) {
        this.#windowBytes = asWindow(fields.readUInt32LE(at));
        at += WINDOW_BYTES;
      }
      if ((frame.flags & Flag.META) !== 0) this.#beginMeta(frame, readMetaLength(fields, at));
    }
    return start + taken;
  }

  #beginMeta(frame: FrameDecoder, length: number): void {
    this.#fieldBytes += length;
    if (this.#fieldBytes > frame.length) throw violation("a frame shorter than its fields");
    this.#bodyBytes -= length;
    this.#metaReader = new MetaReader(length);
  }

  #copyOut(bytes: Buffer, start: number, end: number): Message {
    if (end - start > SHARED_COPY_BYTES) {
      const own = Buffer.allocUnsafeSlow(end - start);
      bytes.copy(own, 0, start, end);
      return new Message(own, 0, own.length);
    }
    let copy = this.#copy;
    if (copy === undefined || end - this.#copyStart > copy.length) copy = this.#copyRead(bytes, start);
    return new Message(copy, start - this.#copyStart, end - this.#copyStart);
  }

  /** Copies what was read, from there on. */
  #copyRead(bytes: Buffer, start: number): Buffer {
    if (bytes.length > SMALL_READ_BYTES) {
      const end = Math.min(bytes.length, start + SHARED_COPY_BYTES);
      this.#copy = Buffer.allocUnsafe(end - start);
      this.#copyStart = start;
      bytes.copy(this.#copy, 0, start, end);
      return this.#copy;
    }
    if (slabUsed + bytes.length > slab.length) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      slabUsed = 0;
    }
    slab.set(bytes, slabUsed);
    this.#copyStart = -slabUsed;
    slabUsed += bytes.length;
    this.#copy = slab;
    return slab;
  }
}

function asWindow(bytes: number): number {
  if (bytes < FIRST_WINDOW_BYTES) throw violation(`a window below ${FIRST_WINDOW_BYTES} bytes`);
  return bytes;
}
