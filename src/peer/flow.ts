import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import type { IncomingStream } from "../session/incoming-stream.js";
import type { OutgoingStream } from "../session/outgoing-stream.js";
import type { FailureName } from "../wire/failure.js";

/** One direction of an exchange that this side writes bit by bit. */
export interface Outflow {
  /** Takes bytes, which must stay unchanged from now on. False: more is welcome only after `ready`. Ignored once it is over. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when more may be written; rejects with an `EarshotError` when nobody takes it any more. One waiter at a time. */
  ready(): Promise<void>;
  /** No more comes. */
  end(): void;
  /** Breaks off the whole exchange: the other side gets the failure, and this side the cause. */
  reset(code: FailureName, text: string, remoteCode?: string, cause?: unknown): void;
}

/** One direction of an exchange that the other side writes bit by bit. */
export interface Inflow {
  /** What has come, in order, the caller's own from now on; `undefined` when there is nothing just now. */
  read(): Buffer | undefined;
  /** True when the end has come and everything before it was read. */
  readonly isEnded: boolean;
  /**
   * Resolves when `read` has something, or the end has come; rejects with an `EarshotError` when it breaks off, after all
   * that had come was read. One waiter at a time.
   */
  readable(): Promise<void>;
  /** Reads no more: what is still coming is skipped, and the other side told. */
  stop(): void;
}

/** A promise that somebody waits for. */
class Waiter {
  #settle: { readonly resolve: () => void; readonly reject: (error: EarshotError) => void } | undefined;

  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** @param error rejects it */
  wake(error?: EarshotError): void {
    const settle = this.#settle;
    this.#settle = undefined;
    if (error === undefined) settle?.resolve();
    else settle?.reject(error);
  }
}

type Reset = (code: FailureName, text: string, remoteCode: string, cause: unknown) => void;

/** An `Outflow` over a session's stream. */
export class Writer implements Outflow {
  readonly #stream: OutgoingStream;
  readonly #reset: Reset;
  readonly #waiter = new Waiter();
  #error: EarshotError | undefined;
  #isClosed = false;
  /** Nobody takes any more, and why. */
  onOver: ((reason: EarshotError) => void) | undefined;
  /** The whole exchange is over, whatever is still unread of it: with the reason if it broke off. */
  onClosed: ((error?: EarshotError) => void) | undefined;

  constructor(stream: OutgoingStream, reset: Reset) {
    this.#stream = stream;
    this.#reset = reset;
    stream.onChange = () => {
      if (!stream.isOver) this.#waiter.wake();
      // Why it is over is told right after.
      else void Promise.resolve().then(() => this.#tellOver());
    };
  }

  get isOver(): boolean {
    return this.#isClosed || this.#stream.isOver;
  }

  write(bytes: Uint8Array): boolean {
    if (this.isOver) return false;
    this.#stream.write(bytes);
    return !this.#stream.isFull;
  }

  /** As `write`, for bytes that may change right after. */
  copy(bytes: Uint8Array): boolean {
    if (this.isOver) return false;
    this.#stream.copy(bytes);
    return !this.#stream.isFull;
  }

  ready(): Promise<void> {
    if (this.isOver) return Promise.reject(this.#reason());
    return this.#stream.isFull ? this.#waiter.wait() : Promise.resolve();
  }

  end(): void {
    this.#stream.end();
  }

  reset(code: FailureName, text: string, remoteCode = "", cause?: unknown): void {
    this.#reset(code, text, remoteCode, cause);
  }

  /** The exchange has broken off, and why. */
  fail(error: EarshotError): void {
    this.#close(error, error);
  }

  /** Whoever writes has finished: what was written still leaves, and nothing more is taken. */
  finish(): void {
    this.#stream.end();
    const fact = "the handler has settled, which ended both directions";
    this.#close(new EarshotError("CONNECTION_CLOSED", `Cannot send any more: ${fact}`));
  }

  #close(reason: EarshotError, error?: EarshotError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error ??= reason;
    // Those who are told may be there only right after.
    void Promise.resolve().then(() => {
      this.#tellOver();
      this.onClosed?.(error);
    });
  }

  #tellOver(): void {
    const { onOver } = this;
    this.onOver = undefined;
    this.#waiter.wake(this.#reason());
    onOver?.(this.#reason());
  }

  #reason(): EarshotError {
    return this.#error ?? new EarshotError("CANCELLED", "Cannot send any more: the other side reads no further");
  }
}

/** An `Inflow` over a session's stream, which may be there only later, or over a message that came whole. */
export class Reader implements Inflow {
  #stream: IncomingStream | undefined;
  #whole: Buffer | undefined;
  readonly #waiter = new Waiter();
  #error: EarshotError | undefined;
  /** What the message has all in all, if that is known. */
  sizeBytes: number | undefined;
  #isOver = false;
  readonly #onEarlyStop: (() => void) | undefined;

  /** @param onEarlyStop called when nobody wants to read it although it has not begun */
  constructor(onEarlyStop?: () => void) {
    this.#onEarlyStop = onEarlyStop;
  }

  /** It has begun. */
  attach(stream: IncomingStream): void {
    this.#stream = stream;
    this.sizeBytes = stream.sizeBytes;
    stream.onChange = () => this.#waiter.wake();
    if (this.#isOver) stream.stop();
    this.#waiter.wake();
  }

  /** It came whole. */
  give(message: Message): void {
    const { bytes } = message;
    this.sizeBytes = bytes.length;
    if (bytes.length > 0 && !this.#isOver) this.#whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#isOver = true;
    this.#waiter.wake();
  }

  read(): Buffer | undefined {
    if (this.#stream !== undefined) return this.#stream.read();
    const whole = this.#whole;
    this.#whole = undefined;
    return whole;
  }

  get isEnded(): boolean {
    if (this.#stream === undefined) return this.#isOver && this.#whole === undefined;
    return (this.#stream.hasEnded || this.#stream.isStopped) && this.#stream.bufferedBytes === 0;
  }

  readable(): Promise<void> {
    const isReadable = this.#whole !== undefined || (this.#stream?.bufferedBytes ?? 0) > 0;
    if (isReadable || this.isEnded) return Promise.resolve();
    return this.#error === undefined ? this.#waiter.wait() : Promise.reject(this.#error);
  }

  stop(): void {
    if (this.#stream !== undefined) this.#stream.stop();
    else if (!this.#isOver) this.#onEarlyStop?.();
    this.#isOver = true;
    this.#whole = undefined;
    this.#waiter.wake();
  }

  /** It breaks off, and why. */
  fail(error: EarshotError): void {
    if (this.#error !== undefined || this.#stream?.hasEnded === true) return;
    this.#error = error;
    this.#waiter.wake(error);
  }
}
