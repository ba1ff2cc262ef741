import type { OutgoingStream } from "./outgoing-stream.js";
import type { Outgoing, SessionHost } from "./session.js";

const NOTHING = Buffer.alloc(0);
/** So much is written at a time: each piece that leaves shows that the other side reads. */
const PIECE_BYTES = 262_144;

/** The one message that a plain connection carries in this side's direction, on its way out. */
export class PlainOutput {
  isWritable = true;
  /** Since when the other side has not read; `Infinity` while it does. */
  blockedSince = Infinity;
  /** All of it was written. */
  isDone = false;
  readonly #host: SessionHost;
  #item: Outgoing | undefined;
  #rest: Buffer = NOTHING;

  constructor(host: SessionHost) {
    this.#host = host;
  }

  get hasBegun(): boolean {
    return this.#item !== undefined;
  }

  /** What is still to be written. */
  get heldBytes(): number {
    return this.#rest.length + (this.#item?.outgoing?.queuedBytes ?? 0);
  }

  /** From now on `flush` writes the item's body, or what is written to its stream. */
  begin(item: Outgoing): void {
    if (this.#item !== undefined) return;
    this.#item = item;
    const { body, outgoing } = item;
    this.#rest = typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length);
    item.body = "";
    outgoing?.attach({ wake: () => this.#host.requestFlush(), onQueued: () => {} });
  }

  flush(): void {
    if (this.#item === undefined || this.isDone) return;
    const { outgoing } = this.#item;
    while (this.isWritable && this.heldBytes > 0) {
      outgoing?.release();
      const chunks = outgoing === undefined ? this.#takeRest() : take(this.#item, outgoing);
      this.isWritable = this.#host.write(chunks);
    }
    this.blockedSince = this.isWritable ? Infinity : Math.min(this.blockedSince, this.#host.now());
    if (this.heldBytes > 0 || outgoing?.hasEnded === false) return;
    this.isDone = true;
    this.#host.end();
  }

  drained(): void {
    this.isWritable = true;
    this.blockedSince = Infinity;
    this.flush();
  }

  /** Nobody takes the rest. */
  discard(): void {
    this.#rest = NOTHING;
    this.#item?.outgoing?.discard();
    this.isDone = true;
  }

  #takeRest(): Uint8Array[] {
    const piece = this.#rest.subarray(0, PIECE_BYTES);
    this.#rest = this.#rest.subarray(PIECE_BYTES);
    return [piece];
  }
}

function take(item: Outgoing, outgoing: OutgoingStream): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const bytes = Math.min(PIECE_BYTES, outgoing.queuedBytes);
  outgoing.take(bytes, (chunk) => chunks.push(chunk));
  item.sentBytes += bytes;
  return chunks;
}
