import type { EarshotError } from "../errors.js";
import type { Descriptor, Message } from "../message.js";
import type { Credentials } from "../transport/credentials.js";
import { type Headers, type Meta, NO_HEADERS } from "../wire/meta.js";
import type { AnswerPath } from "./answer-path.js";
import { loanOf } from "./connection-slabs.js";
import { checkLoan, type Loan } from "./loan.js";
import { StreamedMessage } from "./streamed-message.js";

/** Who sent a message. */
export interface Peer {
  /** Different for each connection of this server. */
  readonly id: number;
  /** The address that it dialed. */
  readonly address: string;
  /** As the kernel tells; `undefined` without the native addon. Asked anew each time, while the connection lasts. */
  readonly credentials: Credentials | undefined;
}

/** What a handler knows besides the message. */
export class Context {
  readonly #connection: AnswerPath;
  readonly #address: string;
  readonly #message: Message | StreamedMessage;
  readonly #meta: Meta | undefined;
  #controller: AbortController | undefined;
  #goneBecause: EarshotError | undefined;
  #onGone: ((error: EarshotError) => void) | undefined;

  /** @internal */
  constructor(connection: AnswerPath, address: string, message: Message | StreamedMessage, meta: Meta | undefined) {
    this.#connection = connection;
    this.#message = message;
    this.#address = address;
    this.#meta = meta;
  }

  /** Who sent the message. */
  get peer(): Peer {
    const { id, transport } = this.#connection;
    return { id, address: this.#address, credentials: transport.credentials };
  }

  /** The message's id, if its sender gave it one: the same when it is sent again. */
  get id(): string | undefined {
    return this.#meta?.id;
  }

  /** What the sender sent along, under the names that it chose; an object without a prototype, or an empty one. */
  get headers(): Headers {
    return this.#meta?.headers ?? NO_HEADERS;
  }

  /** The open files that came with the message; those that the handler has not taken are closed when it settles. */
  get descriptors(): readonly Descriptor[] {
    return this.#message.descriptors;
  }

  /**
   * Memory for the reply, which the caller reads where it is: fill its `bytes`, and return the loan. See `Client.loan`.
   *
   * @param bytes of the reply, exactly
   * @throws EarshotError `INVALID_ARGUMENT`
   */
  loan(bytes: number): Loan {
    return loanOf(this.#connection.lane, checkLoan(bytes));
  }

  /** The wire that the message came on. */
  get wire(): "framed" | "plain" {
    return this.#connection.wire ?? "plain";
  }

  /**
   * Aborts when nobody waits for the answer any more: the caller is gone, gave up, or the server closed for good. On the
   * plain wire a caller that goes away after its message cannot be told from one that waits.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#goneBecause !== undefined) this.#controller.abort(this.#goneBecause);
    }
    return this.#controller.signal;
  }

  /** @internal */
  static isAbandoned(context: Context): boolean {
    return context.#goneBecause !== undefined;
  }

  /** @internal */
  static message(context: Context): Message | StreamedMessage {
    return context.#message;
  }

  /** @internal tells one who answers, now or later, that nobody waits for it any more */
  static onGone(context: Context, listener: (error: EarshotError) => void): void {
    const before = context.#onGone;
    context.#onGone =
      before === undefined
        ? listener
        : (error) => {
            before(error);
            listener(error);
          };
    if (context.#goneBecause !== undefined) listener(context.#goneBecause);
  }

  /** @internal */
  static abort(context: Context, error: EarshotError): void {
    context.#goneBecause = error;
    if (context.#message instanceof StreamedMessage) StreamedMessage.fail(context.#message, error);
    context.#onGone?.(error);
    context.#controller?.abort(error);
  }
}
