import {
  DEADLINE_BYTES,
  DESCRIPTORS_OFFSET,
  Flag,
  FrameType,
  HEADER_BYTES,
  SIZE_BYTES,
  WINDOW_BYTES,
} from "./frame.js";

const TWO_32 = 0x1_0000_0000;

// Byte by byte: the checks of Buffer's own methods cost more than all the rest of a small frame.

function writeU32(target: Buffer, value: number, offset: number): void {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
  target[offset + 2] = value >>> 16;
  target[offset + 3] = value >>> 24;
}

/** Writes the u64 at `offset`, little-endian. */
export function writeU64(target: Buffer, value: number, offset: number): void {
  writeU32(target, value >>> 0, offset);
  writeU32(target, Math.floor(value / TWO_32), offset + 4);
}

/** Writes a header at `offset` and returns the offset after it. The payload is the caller's to add. */
export function writeHeader(
  target: Buffer,
  offset: number,
  type: number,
  flags: number,
  payloadBytes: number,
  exchange: number,
): number {
  target[offset] = type;
  target[offset + 1] = flags;
  target[offset + 2] = 0;
  target[offset + 3] = 0;
  writeU32(target, payloadBytes, offset + 4);
  writeU64(target, exchange, offset + 8);
  return offset + HEADER_BYTES;
}

/** The most that a header and its fields take. */
export const MAX_HEAD_BYTES: number = HEADER_BYTES + DEADLINE_BYTES + SIZE_BYTES + WINDOW_BYTES;

/** What the first frame of a direction says besides its bytes; a negative number leaves the field out. */
export interface Head {
  readonly type: typeof FrameType.OPEN | typeof FrameType.DATA;
  readonly exchange: number;
  readonly isEnd: boolean;
  readonly deadlineMs: number;
  readonly sizeBytes: number;
  /** How many descriptors go with it. */
  readonly descriptors?: number;
  readonly isSystem?: boolean;
  readonly windowBytes?: number;
  /** Of the id and the headers, with their length; they follow what `writeHead` writes, before the message. */
  readonly metaBytes?: number;
}

/** How many bytes `writeHead` will write: id and headers are not among them. */
export function headBytes(head: Head): number {
  const windowBytes = (head.windowBytes ?? -1) >= 0 ? WINDOW_BYTES : 0;
  return (
    HEADER_BYTES + (head.deadlineMs >= 0 ? DEADLINE_BYTES : 0) + (head.sizeBytes >= 0 ? SIZE_BYTES : 0) + windowBytes
  );
}

/** Writes the header and fields of an OPEN or DATA frame whose bytes follow; returns the offset after them. */
export function writeHead(target: Buffer, start: number, head: Head, bodyBytes: number): number {
  const hasDeadline = head.deadlineMs >= 0;
  const hasSize = head.sizeBytes >= 0;
  const { windowBytes = -1, metaBytes = 0 } = head;
  const ends = (head.isEnd ? Flag.END : 0) | (head.isSystem === true ? Flag.SYSTEM : 0);
  const sizes = (hasSize ? Flag.SIZE : 0) | (windowBytes >= 0 ? Flag.WINDOW : 0);
  const flags = ends | (hasDeadline ? Flag.DEADLINE : 0) | sizes | (metaBytes > 0 ? Flag.META : 0);
  const payloadBytes = headBytes(head) - HEADER_BYTES + metaBytes + bodyBytes;
  let offset = writeHeader(target, start, head.type, flags, payloadBytes, head.exchange);
  if (head.descriptors !== undefined) target[start + DESCRIPTORS_OFFSET] = head.descriptors;
  if (hasDeadline) offset = target.writeUInt32LE(head.deadlineMs, offset);
  if (hasSize) {
    writeU64(target, head.sizeBytes, offset);
    offset += SIZE_BYTES;
  }
  if (windowBytes >= 0) {
    writeU32(target, windowBytes, offset);
    offset += WINDOW_BYTES;
  }
  return offset;
}

/** A WINDOW frame: so many bytes more of an exchange. */
export function encodeWindow(exchange: number, bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + WINDOW_BYTES);
  writeU32(frame, bytes, writeHeader(frame, 0, FrameType.WINDOW, 0, WINDOW_BYTES, exchange));
  return frame;
}

/** A whole control frame. */
export function encodeControl(type: number, exchange: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.set(payload, writeHeader(frame, 0, type, 0, payload.length, exchange));
  return frame;
}
