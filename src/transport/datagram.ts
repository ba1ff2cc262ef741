import { EarshotError } from "../errors.js";
import { SOCK_DGRAM, WOULD_BLOCK } from "../native/binding.js";
import { sharedPoller } from "./poller.js";

/**
 * Sends a text as one datagram to a Unix socket; returns false when its queue is full.
 *
 * @param address a path, or an abstract name behind `@`
 * @throws EarshotError `UNSUPPORTED` without the addon: Node has no such sockets; otherwise the system's error
 */
export function sendDatagram(address: string, text: string): boolean {
  const shared = sharedPoller();
  if ("missing" in shared) {
    const { text: fact, cause } = shared.missing;
    throw new EarshotError("UNSUPPORTED", fact, { cause });
  }
  const { native } = shared.poller;
  const fd = native.socket(SOCK_DGRAM);
  try {
    native.connect(fd, Buffer.from(address.replace(/^@/, "\0")));
    return native.write(fd, [Buffer.from(text)]) !== WOULD_BLOCK;
  } finally {
    native.close(fd);
  }
}
