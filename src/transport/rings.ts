import type { Poller } from "./poller.js";
import { SharedTransport } from "./shared.js";
import { type Link, makeLink, openLink } from "./shared-memory.js";
import { Slabs } from "./slabs.js";
import type { Transport } from "./transport.js";
import { UnixTransport } from "./unix.js";

/** Shared memory for connections over native sockets. */
export class Rings {
  /** Memory for single messages. */
  readonly slabs: Slabs;
  readonly #poller: Poller;

  constructor(poller: Poller) {
    this.#poller = poller;
    this.slabs = new Slabs(poller.native);
  }

  /** Whether the other side is a process of the same user, who could look into this one anyway. */
  isSameUser({ isSameUser }: Transport): boolean {
    return isSameUser === true;
  }

  /** As `makeLink`. */
  make(ringBytes: number): ReturnType<typeof makeLink> {
    return makeLink(this.#poller.native, ringBytes);
  }

  /** As `openLink`. */
  open(ringBytes: number, descriptors: readonly number[]): Link {
    return openLink(this.#poller.native, ringBytes, descriptors);
  }

  /** @param socket one of this thread's native transports; the result speaks for it. @param link the result's to release */
  share(socket: Transport, link: Link): SharedTransport {
    if (!(socket instanceof UnixTransport)) throw new TypeError("only native sockets are shared");
    return new SharedTransport(this.#poller, socket, link, socket.spinUs);
  }

  /** Releases one that no transport was made with. */
  discard(link: Link): void {
    link.release();
    this.#poller.native.close(link.bell);
  }
}
