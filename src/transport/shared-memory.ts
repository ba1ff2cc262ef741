import { fstatSync } from "node:fs";
import { EarshotError } from "../errors.js";
import {
  AF_UNIX,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  type Native,
  SO_DOMAIN,
  SO_TYPE,
  SOCK_SEQPACKET,
} from "../native/binding.js";
import { CONTROL_BYTES, HEAD, RingReader, RingWriter, TAIL } from "./ring.js";

/**
 * What both sides map: the bytes of the ring that the side writes which made it, those of the other, and at the end what
 * each needs besides, 256 bytes each, in the same order. The last part is as large as the largest page, so that the whole has
 * whole pages everywhere.
 */
const TAIL_BYTES = 65_536;

export const MIN_RING_BYTES = 65_536;
export const MAX_RING_BYTES = 67_108_864;

/** Private, behind what is shared: nothing is parsed where the other side may still write. */
export const READ_BYTES = 8_192;

/** A ring in each direction, and the socket by which the two sides wake each other. */
export interface Link {
  readonly writer: RingWriter;
  readonly reader: RingReader;
  /** A descriptor that carries descriptors. */
  readonly bell: number;
  /** What to look at for bytes to read, as for `Native.lookAt`. */
  readonly words: readonly [Int32Array, number, number];
  readonly bytes: Buffer;
  /** Where in `bytes` this side's private `READ_BYTES` begin. */
  readonly privateStart: number;
  /** Unmaps all of it, for this side; the bell is closed by who watches it. */
  release(): void;
}

/** What of the addon a link is made with. */
export type LinkNative = Pick<
  Native,
  "makeMemory" | "addSeals" | "seals" | "map" | "unmap" | "socketPair" | "socketOption" | "close"
>;

/** How much memory a link takes. */
export function linkBytes(ringBytes: number): number {
  return 2 * ringBytes + TAIL_BYTES;
}

export function isRingSize(bytes: number): boolean {
  return bytes >= MIN_RING_BYTES && bytes <= MAX_RING_BYTES && (bytes & (bytes - 1)) === 0;
}

/**
 * @param ringBytes for each direction: a power of two
 * @returns this side of it, and two descriptors that make the other, for `openLink`: the caller's to send or close
 * @throws the system's error
 */
export function makeLink(
  native: LinkNative,
  ringBytes: number,
): { link: Link; descriptors: readonly [number, number] } {
  const memory = native.makeMemory(linkBytes(ringBytes));
  try {
    native.addSeals(memory, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    const [own, other] = native.socketPair(SOCK_SEQPACKET);
    try {
      return { link: mapLink(native, memory, own, ringBytes, "maker"), descriptors: [memory, other] };
    } catch (error) {
      native.close(own);
      native.close(other);
      throw error;
    }
  } catch (error) {
    native.close(memory);
    throw error;
  }
}

/**
 * @param descriptors taken over, also if it fails
 * @throws EarshotError `UNSUPPORTED` if they are not what `makeLink` makes, or the system's error
 */
export function openLink(native: LinkNative, ringBytes: number, descriptors: readonly number[]): Link {
  const [memory, bell, ...surplus] = descriptors;
  try {
    for (const descriptor of surplus) native.close(descriptor);
    if (memory === undefined || bell === undefined || surplus.length > 0 || !isRingSize(ringBytes))
      throw new EarshotError("UNSUPPORTED", `Cannot share memory: not a ring of ${ringBytes} bytes and its bell`);
    // Who could make it smaller could end this process: looking at what is not there any more is a SIGBUS.
    if ((native.seals(memory) & F_SEAL_SHRINK) === 0 || fstatSync(memory).size < linkBytes(ringBytes))
      throw new EarshotError("UNSUPPORTED", "Cannot share memory: it is too small, or could become so");
    if (native.socketOption(bell, SO_DOMAIN) !== AF_UNIX || native.socketOption(bell, SO_TYPE) !== SOCK_SEQPACKET)
      throw new EarshotError("UNSUPPORTED", "Cannot share memory: its bell is none");
    const link = mapLink(native, memory, bell, ringBytes, "taker");
    native.close(memory);
    return link;
  } catch (error) {
    if (memory !== undefined) native.close(memory);
    if (bell !== undefined) native.close(bell);
    throw error;
  }
}

function mapLink(native: LinkNative, memory: number, bell: number, ringBytes: number, side: "maker" | "taker"): Link {
  const privateStart = linkBytes(ringBytes);
  const buffer = native.map(memory, privateStart, READ_BYTES);
  const bytes = Buffer.from(buffer);
  const ring = (index: number) => ({
    control: new Int32Array(buffer, 2 * ringBytes + index * CONTROL_BYTES, CONTROL_BYTES / 4),
    bytes,
    start: index * ringBytes,
    size: ringBytes,
  });
  const [own, other] = side === "maker" ? [ring(0), ring(1)] : [ring(1), ring(0)];
  return {
    writer: new RingWriter(own),
    reader: new RingReader(other),
    bell,
    words: [other.control, HEAD, TAIL],
    bytes,
    privateStart,
    release() {
      native.unmap(buffer);
    },
  };
}
