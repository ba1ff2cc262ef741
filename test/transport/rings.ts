import { EarshotError } from "../../src/errors.js";
import { loadNative, type Native, SOCK_STREAM } from "../../src/native/binding.js";
import { type Poller, sharedPoller } from "../../src/transport/poller.js";
import { SharedTransport } from "../../src/transport/shared.js";
import { type Link, makeLink, openLink } from "../../src/transport/shared-memory.js";
import { UnixTransport } from "../../src/transport/unix.js";

export const hasNative = "native" in loadNative();

/** The addon of this thread, and who waits for what. */
export function ownPoller(): Poller {
  const shared = sharedPoller();
  if ("missing" in shared) throw new Error(shared.missing.text);
  return shared.poller;
}

/** Two ends of a connection whose bytes go through rings of this size, both ways, from the first. */
export function ringPair(ringBytes: number, spinUs = 50): [SharedTransport, SharedTransport] {
  const poller = ownPoller();
  const { transport, socket, link } = ringAndRaw(ringBytes, spinUs);
  const right = new SharedTransport(poller, new UnixTransport(poller, socket, spinUs), link, spinUs);
  begin(right);
  return [transport, right];
}

/** What a peer has that does as it likes. */
export interface RawPeer {
  readonly transport: SharedTransport;
  readonly native: Native;
  /** The other end of the socket, and of the bell. */
  readonly socket: number;
  readonly link: Link;
  /** The words of the ring that the transport reads, while it has it, and of the one that it writes. */
  readonly input: Int32Array;
  readonly output: Int32Array;
}

/** One end of such a connection, and what its other side is made of. */
export function ringAndRaw(ringBytes: number, spinUs = 0): RawPeer {
  const poller = ownPoller();
  const { native } = poller;
  const [near, socket] = native.socketPair(SOCK_STREAM);
  const { link, descriptors } = makeLink(native, ringBytes);
  const transport = new SharedTransport(poller, new UnixTransport(poller, near, spinUs), link, spinUs);
  begin(transport);
  const opened = openLink(native, ringBytes, descriptors);
  return { transport, native, socket, link: opened, input: link.words[0], output: opened.words[0] };
}

function begin(end: SharedTransport): void {
  end.writeToRing();
  end.readFromRing();
}

/** Whether it ends with `PROTOCOL_VIOLATION`; anything else but success passes through. */
export function rejectsRing(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (error instanceof EarshotError && error.code === "PROTOCOL_VIOLATION") return true;
    throw error;
  }
}
