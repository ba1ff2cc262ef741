import assert from "node:assert/strict";
import type { EarshotError } from "../../src/errors.js";
import type { Transport, TransportEvents } from "../../src/transport/transport.js";

/** What a transport tells, written down; waits for whatever is to come. */
export class Listener implements TransportEvents {
  readonly events: string[] = [];
  readonly parts: Buffer[] = [];
  receivedBytes = 0;
  error: EarshotError | undefined;
  /** Where to read to straight. */
  into: Buffer | undefined;
  onEvent: (() => void) | undefined;
  readonly #waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  constructor(transport: Transport) {
    transport.start(this);
  }

  get received(): Buffer {
    return Buffer.concat(this.parts);
  }

  readInto(): Buffer | undefined {
    return this.into;
  }

  onBytes(bytes: Buffer): void {
    assert.equal(bytes.length > 0, true, "onBytes without bytes");
    this.parts.push(Buffer.from(bytes));
    this.receivedBytes += bytes.length;
    if (this.events.at(-1) !== "bytes") this.events.push("bytes");
    // The bytes are only borrowed: whoever relies on them later, relies on nothing.
    bytes.fill(0xee);
    this.#notify();
  }

  onEnd(): void {
    this.events.push("end");
    this.#notify();
  }

  onDrain(): void {
    this.events.push("drain");
    this.#notify();
  }

  onClose(error?: EarshotError): void {
    this.error = error;
    this.events.push("close");
    this.#notify();
  }

  has(event: string): boolean {
    return this.events.includes(event);
  }

  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isMet, resolve }));
  }

  #notify(): void {
    this.onEvent?.();
    for (const waiter of [...this.#waiters]) {
      if (!waiter.isMet()) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}
