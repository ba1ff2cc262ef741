import { FIRST_WINDOW_BYTES } from "../wire/frame.js";
import { type IncomingOwner, IncomingStream } from "./incoming-stream.js";
import type { OutgoingOwner } from "./outgoing-stream.js";

/**
 * What the other side of a stream that is read may have under way beyond its first window, where nothing else passes: enough
 * that neither side waits for the other. Whole messages of the same connection queue up behind it, so while any come it has
 * nothing more; see "p99 of small calls" of `npm run bench`.
 */
const MORE_BYTES = 524_288;
/** A stream is wide again after so many bytes without a whole message between them. */
const QUIET_BYTES = 1_048_576;
/**
 * What all streams of a connection may have under way beyond their first windows. These are each stream's own, whatever the
 * others do, so that none can block another; who reads gets more while there is some.
 */
const POOL_BYTES = 4_194_304;

interface Writer {
  sendWindow(exchange: number, bytes: number): void;
  sendStop(exchange: number): void;
}

interface Host {
  requestFlush(): void;
}

/** The streams of one connection: what they hold, and how much the other side may send of each. */
export class Streams implements IncomingOwner {
  /** Bytes that have come and are not read, and bytes that wait to leave. */
  heldBytes = 0;
  readonly #writer: Writer;
  readonly #host: Host;
  #poolBytes = POOL_BYTES;
  /** How many were read since a whole message has come. */
  #quietBytes = Infinity;
  /** Those that got of the pool, and what is theirs all in all. */
  #targets: Map<IncomingStream, number> | undefined;

  constructor(writer: Writer, host: Host) {
    this.#writer = writer;
    this.#host = host;
  }

  begin(exchange: number, sizeBytes: number | undefined): IncomingStream {
    return new IncomingStream(this, exchange, FIRST_WINDOW_BYTES, sizeBytes);
  }

  /** @param wake brings out what a stream has */
  outgoing(wake: () => void): OutgoingOwner {
    return { wake, onQueued: (bytes) => this.onHeld(bytes) };
  }

  /** Nothing more of it comes. */
  close(stream: IncomingStream): void {
    stream.close();
    this.#giveBack(stream);
  }

  onHeld(bytes: number): void {
    this.heldBytes += bytes;
  }

  /** A message has come whole, in one frame. */
  passed(): void {
    this.#quietBytes = 0;
  }

  onRead(stream: IncomingStream, bytes: number): void {
    // Also when nothing is granted: what is held has changed.
    this.#host.requestFlush();
    if (stream.isOver) {
      this.#giveBack(stream);
      return;
    }
    this.#quietBytes += bytes;
    const isWide = this.#quietBytes >= QUIET_BYTES;
    if (!isWide) this.#giveBack(stream);
    const free = (this.#targets?.get(stream) ?? FIRST_WINDOW_BYTES) - stream.windowBytes - stream.unreadBytes;
    if (free < FIRST_WINDOW_BYTES / 2) return;
    const granted = free + (isWide ? this.#widen(stream) : 0);
    // Few large grants instead of many small ones.
    if (granted * 2 < (this.#targets?.get(stream) ?? FIRST_WINDOW_BYTES)) return;
    stream.windowBytes += granted;
    this.#writer.sendWindow(stream.exchange, granted);
  }

  onStop(stream: IncomingStream): void {
    this.close(stream);
    this.#writer.sendStop(stream.exchange);
  }

  /** Of what a stream got of the pool, it keeps what it still takes up. */
  #giveBack(stream: IncomingStream): void {
    const target = this.#targets?.get(stream);
    if (target === undefined) return;
    const kept = Math.max(FIRST_WINDOW_BYTES, stream.unreadBytes + (stream.isOver ? 0 : stream.windowBytes));
    if (kept > FIRST_WINDOW_BYTES) this.#targets?.set(stream, kept);
    else this.#targets?.delete(stream);
    this.#poolBytes += target - kept;
  }

  /** It gets what is customary, as far as there is any. */
  #widen(stream: IncomingStream): number {
    const more = Math.min(MORE_BYTES, this.#poolBytes);
    if (more === 0 || this.#targets?.has(stream)) return 0;
    this.#targets ??= new Map();
    this.#targets.set(stream, FIRST_WINDOW_BYTES + more);
    this.#poolBytes -= more;
    return more;
  }
}
