import { performance } from "node:perf_hooks";
import {
  type Delivery,
  EarshotError,
  type ErrorCode,
  type ErrorDetails,
  factOf,
  failure,
  type Operation,
} from "../errors.js";
import { type Descriptor, Message } from "../message.js";
import type { IncomingStream } from "../session/incoming-stream.js";
import { type Body, type FailureDetails, Request } from "../session/session.js";
import { type DescriptorTable, ReceivedDescriptor } from "./descriptor.js";
import type { GivingUp } from "./giving-up.js";

/** Up to eleven days. */
const HINT = /^\d{1,9}$/;

/** How long to wait for an answer. */
export interface WaitOptions {
  /** Give up after so many milliseconds, waiting for a free socket included; 0 or none: wait for ever. */
  readonly timeoutMs?: number | undefined;
  /** Give up when this aborts; the other side's handler is told. */
  readonly signal?: AbortSignal | undefined;
}

/** What all sends, or all pings, of a client have in common. */
export interface Origin {
  readonly op: Operation;
  readonly address: string;
  readonly table: DescriptorTable | undefined;
  /** Of a contract. */
  readonly procedure?: string;
  /** What the caller gets instead of the reply itself; may throw what the caller's promise then rejects with. */
  readonly read?: (message: Message) => unknown;
}

interface Limit {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly givingUp: GivingUp;
}

/** A promise of the caller's, until the session settles it. */
export class Pending extends Request {
  readonly #origin: Origin;
  readonly #resolve: (result: unknown) => void;
  readonly #reject: (error: EarshotError) => void;
  #limit: Limit | undefined;

  constructor(origin: Origin, body: Body, resolve: (result: never) => void, reject: (error: EarshotError) => void) {
    super();
    this.#origin = origin;
    this.body = body;
    // Who makes it knows what it resolves with.
    this.#resolve = resolve as (result: unknown) => void;
    this.#reject = reject;
  }

  /** From now on it may be given up. */
  limit(timeoutMs: number, signal: AbortSignal | undefined, givingUp: GivingUp): void {
    if (timeoutMs > 0) this.deadlineAt = performance.now() + timeoutMs;
    this.#limit = { timeoutMs, signal, givingUp };
    if (signal !== undefined) givingUp.watch(signal, this);
  }

  override onReply(message: Message, descriptors: readonly number[]): void {
    this.unlisten();
    if (descriptors.length > 0) Message.withDescriptors(message, this.receive(descriptors));
    const { read } = this.#origin;
    if (read === undefined) this.#resolve(message);
    else this.#resolveWith(read, message);
  }

  #resolveWith(read: (message: Message) => unknown, message: Message): void {
    try {
      this.#resolve(read(message));
    } catch (error) {
      this.#reject(error as EarshotError);
    }
  }

  /** Descriptors that came with the reply. */
  receive(descriptors: readonly number[]): readonly Descriptor[] {
    const { table } = this.#origin;
    return table === undefined ? [] : descriptors.map((fd) => ReceivedDescriptor.forReply(table, fd));
  }

  /** Replies that are asked for as streams are a `StreamedPending`'s. */
  override onReplyStream(_incoming: IncomingStream, _descriptors: readonly number[]): void {}

  override onFailure(code: ErrorCode, fact: string, delivery: Delivery, details: FailureDetails = {}): void {
    this.#reject(this.settle(code, fact, delivery, details));
  }

  /** Lets go of everything; returns the error to reject with. */
  settle(code: ErrorCode, fact: string, delivery: Delivery, details: FailureDetails = {}): EarshotError {
    this.unlisten();
    const signal = this.#limit?.signal;
    for (const descriptor of this.descriptors) this.#origin.table?.close(descriptor);
    this.descriptors = [];
    const cause = code === "CANCELLED" && signal?.aborted ? signal.reason : details.cause;
    const { retryAfterMs } = details;
    const { op, address, procedure } = this.#origin;
    const told = { delivery, cause, procedure, retryAfterMs, ...remoteCodeOf(code, details.remoteCode) };
    return failure(code, op, address, this.#explain(code, fact, cause), told);
  }

  #explain(code: ErrorCode, fact: string, cause: unknown): string {
    // With a fact, it is not its own time that is over.
    const { timeoutMs = 0 } = this.#limit ?? {};
    if (code === "TIMEOUT" && fact === "" && timeoutMs > 0) {
      const why = cause instanceof EarshotError ? `: ${factOf(cause)}` : "";
      return `no reply within ${timeoutMs} ms${why}`;
    }
    if (code === "CANCELLED") return fact === "" ? "its signal was aborted" : fact;
    if (code === "HANDLER_FAILED") return `the handler failed: ${fact}`;
    return fact;
  }

  /** Its signal has no meaning any more. */
  unlisten(): void {
    if (this.#limit?.signal !== undefined) this.#limit.givingUp.forget(this.#limit.signal, this);
  }
}

/** Who is overloaded says in the place of a code of his own when to come back. */
function remoteCodeOf(code: ErrorCode, remoteCode: string | undefined): ErrorDetails {
  if (code !== "OVERLOADED" || remoteCode === undefined || !HINT.test(remoteCode)) return { remoteCode };
  return { retryAfterMs: Number(remoteCode) };
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkBody(data: unknown, what: string): Body {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  const kind = data === null ? "null" : typeof data;
  const fact = `Cannot send ${what}: it is a string, a Uint8Array or an async iterable of these, this is ${kind} (JSON.stringify it?)`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}
