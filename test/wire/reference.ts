/**
 * The framed wire once more, from PROTOCOL.md and not from `src/`: slow, whole input at once, every number written
 * out. What it and the real decoder do not agree on is a mistake in one of them.
 */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly exchange: bigint;
  /** In hexadecimal. */
  readonly payload: string;
}

export interface Decoded {
  readonly frames: readonly Frame[];
  /** Why nothing after the last frame was read. */
  readonly error: "PROTOCOL_VIOLATION" | undefined;
  /** True when the input ends between two frames. */
  readonly isComplete: boolean;
}

export const preface = Uint8Array.of(0xc1, 0x65, 0x61, 0x72, 0x73, 0x68, 0x6f, 0x74);

/** What a frame may be: the flags that have a meaning, and the longest payload. */
const rules = new Map([
  [1, { flags: 0b000, longest: 16_384 }],
  [2, { flags: 0b111111, longest: 262_144 }],
  [3, { flags: 0b101, longest: 262_144 }],
  [4, { flags: 0b000, longest: 16_384 }],
  [5, { flags: 0b000, longest: 8 }],
  [6, { flags: 0b000, longest: 8 }],
  [7, { flags: 0b000, longest: 16_384 }],
  [8, { flags: 0b000, longest: 4 }],
  [9, { flags: 0b000, longest: 0 }],
  [10, { flags: 0b000, longest: 5 }],
  [11, { flags: 0b000, longest: 12 }],
  [12, { flags: 0b000, longest: 4 }],
  [13, { flags: 0b000, longest: 4 }],
]);

export function encodeFrame(frame: Frame): Uint8Array {
  const payload = Buffer.from(frame.payload, "hex");
  const bytes = new Uint8Array(16 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, frame.type);
  view.setUint8(1, frame.flags);
  view.setUint32(4, payload.length, true);
  view.setBigUint64(8, frame.exchange, true);
  bytes.set(payload, 16);
  return bytes;
}

/** Reads all frames of an input that begins after the preface. */
export function decodeFrames(bytes: Uint8Array): Decoded {
  const frames: Frame[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  while (bytes.length - offset >= 16) {
    const type = view.getUint8(offset);
    const flags = view.getUint8(offset + 1);
    const descriptors = view.getUint8(offset + 2);
    const length = view.getUint32(offset + 4, true);
    const exchange = view.getBigUint64(offset + 8, true);
    const rule = rules.get(type);
    const isKnown = rule !== undefined;
    const hasWrongFlag = isKnown && (flags & 0b0011_1111 & ~rule.flags) !== 0;
    const hasWrongDescriptors = descriptors > 0 && ![2, 3, 10, 11].includes(type);
    const isTooLong = length > (isKnown ? rule.longest : 262_144);
    if ((!isKnown && type < 128) || hasWrongFlag || hasWrongDescriptors || isTooLong || exchange > 2n ** 53n - 1n) {
      return { frames, error: "PROTOCOL_VIOLATION", isComplete: false };
    }
    if (bytes.length - offset - 16 < length) break;
    const payload = Buffer.from(bytes.subarray(offset + 16, offset + 16 + length)).toString("hex");
    frames.push({ type, flags, exchange, payload });
    offset += 16 + length;
  }
  return { frames, error: undefined, isComplete: offset === bytes.length };
}
