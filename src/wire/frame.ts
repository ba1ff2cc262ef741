/**
 * The numbers of the framed wire, as PROTOCOL.md states them; `test/wire/frame.test.ts` pins each.
 *
 * ```
 *  0        1        2        3        4                 8                                16
 *  +--------+--------+--------+--------+-----------------+---------------------------------+----------
 *  | type   | flags  | descr. | 0      | payload length  | exchange                        | payload
 *  +--------+--------+--------+--------+-----------------+---------------------------------+----------
 *    u8       u8       u8       u8       u32 LE            u64 LE, below 2^53
 * ```
 */
export const HEADER_BYTES = 16;
/** Where the header says how many descriptors belong to the frame. */
export const DESCRIPTORS_OFFSET = 2;

/** The one protocol version that this code speaks. */
export const PROTOCOL_VERSION = 1;

/** Each direction of a framed connection begins with these 8 bytes. 0xC1 begins no UTF-8 text and no MessagePack. */
export const PREFACE: Uint8Array = Uint8Array.of(0xc1, 0x65, 0x61, 0x72, 0x73, 0x68, 0x6f, 0x74);

export const FrameType = {
  HELLO: 0x01,
  OPEN: 0x02,
  DATA: 0x03,
  RESET: 0x04,
  PING: 0x05,
  PONG: 0x06,
  GOAWAY: 0x07,
  WINDOW: 0x08,
  STOP: 0x09,
  LANE: 0x0a,
  LEND: 0x0b,
  RETURN: 0x0c,
  RETIRE: 0x0d,
} as const;

/** Types from here on may be skipped by who does not know them; below, an unknown type ends the connection. */
export const FIRST_OPTIONAL_TYPE = 0x80;

export const Flag = {
  /** OPEN, DATA: the last frame of this direction. */
  END: 0x01,
  /** OPEN: the payload begins with the time left, u32 LE, in milliseconds. */
  DEADLINE: 0x02,
  /** The first frame of a direction: the payload goes on with the size of the whole message, u64 LE, in bytes. */
  SIZE: 0x04,
  /** OPEN: the message is for the other side's earshot, not for its handler. */
  SYSTEM: 0x08,
  /** OPEN: the payload goes on with how many bytes of the reply are taken before a WINDOW: u32 LE. */
  WINDOW: 0x10,
  /** OPEN: the payload goes on with the message's id and headers: u16 LE, and so many bytes. See `meta.ts`. */
  META: 0x20,
} as const;

/** Flags in these bits may be ignored by who does not know them; any other unknown flag ends the connection. */
export const OPTIONAL_FLAGS = 0xc0;

/** The flags that each type may have. */
export const KNOWN_FLAGS: Readonly<Record<number, number>> = {
  [FrameType.HELLO]: 0,
  [FrameType.OPEN]: Flag.END | Flag.DEADLINE | Flag.SIZE | Flag.SYSTEM | Flag.WINDOW | Flag.META,
  [FrameType.DATA]: Flag.END | Flag.SIZE,
  [FrameType.RESET]: 0,
  [FrameType.PING]: 0,
  [FrameType.PONG]: 0,
  [FrameType.GOAWAY]: 0,
  [FrameType.WINDOW]: 0,
  [FrameType.STOP]: 0,
  [FrameType.LANE]: 0,
  [FrameType.LEND]: 0,
  [FrameType.RETURN]: 0,
  [FrameType.RETIRE]: 0,
};

/** The most descriptors that a frame can have: Linux takes no more with one write. SCM_MAX_FD, unix(7). */
export const MAX_DESCRIPTORS = 253;

export const DEADLINE_BYTES = 4;
export const SIZE_BYTES = 8;
/** Of the field of OPEN, and of the payload of WINDOW. */
export const WINDOW_BYTES = 4;
/** In front of the id and the headers: how many bytes they have. */
export const META_LENGTH_BYTES = 2;
export const PING_BYTES = 8;
export const LANE_BYTES = 5;
export const LEND_BYTES = 12;
/** Of the payload of RETURN and RETIRE: the number of a slab. */
export const SLAB_BYTES = 4;

/** How many slabs of one side the other has at a time, and how large each is: a power of two. */
export const MAX_SLABS = 64;
export const MIN_SLAB_BYTES = 65_536;
export const MAX_SLAB_BYTES = 1_073_741_824;

/** The longest payload of OPEN and DATA; a longer one is refused when its header has come. */
export const MAX_PAYLOAD_BYTES = 262_144;
/** The longest payload of every other frame; these are the only ones that a receiver has to collect. */
export const MAX_CONTROL_PAYLOAD_BYTES = 16_384;

/** The most that a message's id and headers have together, and the id alone. */
export const MAX_META_BYTES = 8_192;
export const MAX_ID_BYTES = 128;

/** So much of each message may be sent before the other side's HELLO has said how much it takes. */
export const FIRST_WINDOW_BYTES = 65_536;

/** Exchange numbers stay exact in a double. */
export const MAX_EXCHANGE = Number.MAX_SAFE_INTEGER;

/** The longest deadline that fits its field, about 49 days; a longer one is left out. */
export const MAX_DEADLINE_MS = 0xffff_ffff;

/** The longest payload that a frame of this type may declare. */
export function maxPayloadBytes(type: number): number {
  if (type === FrameType.OPEN || type === FrameType.DATA || type >= FIRST_OPTIONAL_TYPE) return MAX_PAYLOAD_BYTES;
  switch (type) {
    case FrameType.PING:
    case FrameType.PONG:
      return PING_BYTES;
    case FrameType.WINDOW:
      return WINDOW_BYTES;
    case FrameType.STOP:
      return 0;
    case FrameType.LANE:
      return LANE_BYTES;
    case FrameType.LEND:
      return LEND_BYTES;
    case FrameType.RETURN:
    case FrameType.RETIRE:
      return SLAB_BYTES;
    default:
      return MAX_CONTROL_PAYLOAD_BYTES;
  }
}
