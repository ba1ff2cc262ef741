import { EarshotError } from "../../src/errors.js";
import { loadNative, SOCK_STREAM } from "../../src/native/binding.js";
import { sharedPoller } from "../../src/transport/poller.js";
import { SharedTransport } from "../../src/transport/shared.js";
import { makeLink, openLink } from "../../src/transport/shared-memory.js";
import { UnixTransport } from "../../src/transport/unix.js";

export const hasNative = "native" in loadNative();

/** Two ends of a connection whose bytes go through rings of this size, both ways, from the first. */
export function ringPair(ringBytes: number, spinUs = 50): [SharedTransport, SharedTransport] {
  const shared = sharedPoller();
  if ("missing" in shared) throw new Error(shared.missing.text);
  const { poller } = shared;
  const [near, far] = poller.native.socketPair(SOCK_STREAM);
  const { link, descriptors } = makeLink(poller.native, ringBytes);
  const left = new SharedTransport(poller, new UnixTransport(poller, near, spinUs), link, spinUs);
  const opened = openLink(poller.native, ringBytes, descriptors);
  const right = new SharedTransport(poller, new UnixTransport(poller, far, spinUs), opened, spinUs);
  for (const end of [left, right]) {
    end.writeToRing();
    end.readFromRing();
  }
  return [left, right];
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
