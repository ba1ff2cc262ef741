import { type Native, WOULD_BLOCK } from "../native/binding.js";

/** What is sent says nothing but that it is there. */
const NOTE = Uint8Array.of(0);

type BellNative = Pick<Native, "read" | "write" | "takeDescriptors" | "close">;

/** A socket by which two sides wake each other. */
export class Bell {
  readonly fd: number;
  /** Since somebody has set it back. */
  hasRung = false;
  readonly #native: BellNative;
  readonly #note = Buffer.alloc(1);

  constructor(native: BellNative, fd: number) {
    this.#native = native;
    this.fd = fd;
  }

  /** Wakes the other side. */
  ring(): void {
    this.hasRung = true;
    try {
      // Where there is no room, enough are waiting to wake anybody.
      this.#native.write(this.fd, NOTE);
    } catch {
      // The other side is gone, or has left the rings; the socket tells.
    }
  }

  /** It has rung. @returns false when the other side will ring no more */
  hear(): boolean {
    try {
      const count = this.#native.read(this.fd, this.#note);
      // None belong here, and while they are not taken nobody in this thread can read.
      if (count < WOULD_BLOCK) for (const descriptor of this.#native.takeDescriptors()) this.#native.close(descriptor);
      return count !== 0;
    } catch {
      // Closed with rings in it that nobody had heard: ECONNRESET.
      return false;
    }
  }
}
