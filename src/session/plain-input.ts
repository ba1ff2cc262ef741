import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import { Assembly } from "./assembly.js";
import { type IncomingOwner, IncomingStream } from "./incoming-stream.js";
import { MIN_PROGRESS_BYTES } from "./progress.js";
import type { SessionHost } from "./session.js";

/** With so much of a stream unread nothing more is read. */
const FULL_BYTES = 524_288;
/** A stream is read straight into memory of this size, until less than a quarter is left. */
const READ_BYTES = 65_536;

/** The one message that a plain connection brings in the other side's direction: collected, or handed on as it comes. */
export class PlainInput implements IncomingOwner {
  /** It comes as a stream. */
  stream: IncomingStream | undefined;
  readonly #host: SessionHost;
  readonly #maxMessageBytes: number;
  readonly #onStop: () => void;
  #assembly: Assembly | undefined;
  #spare: Buffer | undefined;

  /** @param onStop the stream's reader wants no more */
  constructor(host: SessionHost, maxMessageBytes: number, onStop: () => void) {
    this.#host = host;
    this.#maxMessageBytes = maxMessageBytes;
    this.#onStop = onStop;
  }

  readInto(): Buffer | undefined {
    if (this.stream === undefined) return this.#assembly?.spare(this.#maxMessageBytes);
    if (this.stream.isOver || this.stream.isStopped) return undefined;
    this.#spare ??= Buffer.allocUnsafeSlow(READ_BYTES);
    return this.#spare;
  }

  get heldBytes(): number {
    return (this.#assembly?.length ?? 0) + (this.stream?.bufferedBytes ?? 0);
  }

  get isFull(): boolean {
    return (this.stream?.bufferedBytes ?? 0) >= FULL_BYTES;
  }

  /** True while a message that is collected is not whole. */
  get isCollecting(): boolean {
    return this.#assembly !== undefined;
  }

  /** Somebody may wait for more of it. */
  get isRead(): boolean {
    return this.stream !== undefined && !this.stream.isOver && !this.stream.isStopped;
  }

  /** When the current window of progress of what is collected began; `Infinity` for none. */
  get windowStart(): number {
    return this.#assembly?.windowStart ?? Infinity;
  }

  /** A new window of progress begins. */
  restartWindow(): void {
    if (this.#assembly !== undefined) this.#assembly.windowStart = this.#host.now();
  }

  /** The window is over. Returns whether it has brought enough; then a new one begins. */
  hasProgressed(now: number): boolean {
    if (this.#assembly === undefined || this.#assembly.windowBytes < MIN_PROGRESS_BYTES) return false;
    this.#assembly.windowStart = now;
    this.#assembly.windowBytes = 0;
    return true;
  }

  /** It is handed on as it comes. */
  begin(): IncomingStream {
    this.stream = new IncomingStream(this, 1, Infinity, undefined);
    return this.stream;
  }

  /** Bytes of a stream, borrowed unless they are where `readInto` said. */
  pass(stream: IncomingStream, bytes: Buffer): void {
    const spare = this.#spare;
    if (spare === undefined || bytes.buffer !== spare.buffer) {
      stream.give(Buffer.from(bytes));
      return;
    }
    stream.give(bytes);
    this.#spare = (spare.length - bytes.length) * 4 < READ_BYTES ? undefined : spare.subarray(bytes.length);
  }

  /** @throws EarshotError `MESSAGE_TOO_LARGE` */
  collect(bytes: Buffer): void {
    this.#assembly ??= new Assembly(undefined, this.#host.now());
    const limit = this.#maxMessageBytes;
    if (this.#assembly.length + bytes.length > limit) {
      throw new EarshotError("MESSAGE_TOO_LARGE", `The message has more than ${limit} bytes (maxMessageBytes)`);
    }
    this.#assembly.append(bytes, 0, bytes.length);
  }

  /** The end of input; returns what was collected. */
  end(): Message | undefined {
    const message = this.#assembly?.finish();
    this.#assembly = undefined;
    this.stream?.end();
    return message;
  }

  /** Nothing more comes. */
  close(): void {
    this.#assembly = undefined;
    this.stream?.close();
  }

  onHeld(): void {}

  /** What is held has changed, and with it whether more is read. */
  onRead(): void {
    this.#host.requestFlush();
  }

  onStop(): void {
    this.#onStop();
  }
}
