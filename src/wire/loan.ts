import { readU64, violation } from "./decode.js";
import { writeHeader, writeU64 } from "./encode.js";
import { DESCRIPTORS_OFFSET, FrameType, HEADER_BYTES, LEND_BYTES, SLAB_BYTES } from "./frame.js";

/** Where the bytes of a message are: at the beginning of a slab, of which PROTOCOL.md tells. */
export interface Lend {
  readonly slab: number;
  /** How many bytes the message has. */
  readonly bytes: number;
}

/** What `writeLend` writes. */
export const LEND_FRAME_BYTES: number = HEADER_BYTES + LEND_BYTES;

/** Writes a LEND frame at `offset` and returns the offset after it. @param descriptors how many go with it */
export function writeLend(
  target: Buffer,
  offset: number,
  exchange: number,
  { slab, bytes }: Lend,
  descriptors: number,
): number {
  const payload = writeHeader(target, offset, FrameType.LEND, 0, LEND_BYTES, exchange);
  target[offset + DESCRIPTORS_OFFSET] = descriptors;
  const after = target.writeUInt32LE(slab, payload);
  writeU64(target, bytes, after);
  return payload + LEND_BYTES;
}

/** @throws EarshotError `PROTOCOL_VIOLATION` */
export function decodeLend(payload: Buffer): Lend {
  if (payload.length !== LEND_BYTES) throw violation("a LEND of wrong length");
  return { slab: payload.readUInt32LE(0), bytes: readU64(payload, SLAB_BYTES) };
}

/** A RETURN or RETIRE frame. */
export function encodeSlab(type: typeof FrameType.RETURN | typeof FrameType.RETIRE, slab: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + SLAB_BYTES);
  frame.writeUInt32LE(slab, writeHeader(frame, 0, type, 0, SLAB_BYTES, 0));
  return frame;
}

/** @throws EarshotError `PROTOCOL_VIOLATION` */
export function decodeSlab(payload: Buffer): number {
  if (payload.length !== SLAB_BYTES) throw violation("a RETURN or RETIRE of wrong length");
  return payload.readUInt32LE(0);
}
