import type { Native } from "../native/binding.js";

/** What is sent says nothing but that it is there. */
const NOTE = Uint8Array.of(0);

/** A socket by which two sides wake each other. */
export class Bell {
  readonly fd: number;
  readonly #native: Pick<Native, "read" | "write">;
  readonly #note = Buffer.alloc(1);

  constructor(native: Pick<Native, "read" | "write">, fd: number) {
    this.#native = native;
    this.fd = fd;
  }

  /** Wakes the other side. */
  ring(): void {
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
      return this.#native.read(this.fd, this.#note) !== 0;
    } catch {
      // Closed with rings in it that nobody had heard: ECONNRESET.
      return false;
    }
  }
}
