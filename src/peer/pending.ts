import { type Delivery, EarshotError, type ErrorCode, failure, type Operation } from "../errors.js";
import { Message } from "../message.js";
import { type Body, type FailureDetails, Request } from "../session/session.js";
import { type DescriptorTable, ReceivedDescriptor } from "./descriptor.js";

export interface WaitOptions {
  /** Give up after so many milliseconds, waiting for a free socket included; 0 or none: wait for ever. */
  readonly timeoutMs?: number | undefined;
  /** Give up when this aborts; the other side's handler is told. */
  readonly signal?: AbortSignal | undefined;
}

/** A promise of the caller's, until the session settles it. */
export class Pending extends Request {
  readonly #op: Operation;
  readonly #address: string;
  readonly #resolve: (message: Message) => void;
  readonly #reject: (error: EarshotError) => void;
  readonly #table: DescriptorTable | undefined;
  #timeoutMs = 0;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(
    op: Operation,
    address: string,
    body: Body,
    resolve: (message: Message) => void,
    reject: (error: EarshotError) => void,
    table: DescriptorTable | undefined,
  ) {
    super();
    this.#table = table;
    this.#op = op;
    this.#address = address;
    this.body = body;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** From now on it may be given up. */
  limit(timeoutMs: number, signal: AbortSignal | undefined, cancel: (request: Request) => void): void {
    if (timeoutMs > 0) {
      this.#timeoutMs = timeoutMs;
      this.deadlineAt = performance.now() + timeoutMs;
    }
    if (signal === undefined) return;
    this.#signal = signal;
    this.#onAbort = () => cancel(this);
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  override onReply(message: Message, descriptors: readonly number[]): void {
    this.#unlisten();
    const table = this.#table;
    if (descriptors.length > 0 && table !== undefined) {
      Message.withDescriptors(
        message,
        descriptors.map((fd) => ReceivedDescriptor.forReply(table, fd)),
      );
    }
    this.#resolve(message);
  }

  override onFailure(code: ErrorCode, fact: string, delivery: Delivery, details: FailureDetails = {}): void {
    this.#unlisten();
    for (const descriptor of this.descriptors) this.#table?.close(descriptor);
    this.descriptors = [];
    const cause = code === "CANCELLED" && this.#signal?.aborted ? this.#signal.reason : details.cause;
    const { remoteCode } = details;
    this.#reject(failure(code, this.#op, this.#address, this.#explain(code, fact), { delivery, cause, remoteCode }));
  }

  #explain(code: ErrorCode, fact: string): string {
    if (code === "TIMEOUT") return `no reply within ${this.#timeoutMs} ms`;
    if (code === "CANCELLED") return "its signal was aborted";
    if (code === "HANDLER_FAILED") return `the handler failed: ${fact}`;
    return fact;
  }

  #unlisten(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#onAbort = undefined;
  }
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkBody(data: unknown, what: string): Body {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  const kind = data === null ? "null" : typeof data;
  const fact = `Cannot send ${what}: it is a string or a Uint8Array, this is ${kind} (JSON.stringify it?)`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}
