import type { EarshotError } from "../errors.js";
import { Message } from "../message.js";
import { OutgoingStream } from "../session/outgoing-stream.js";
import type { Body, Exchange, Lender } from "../session/session.js";
import type { FailureName } from "../wire/failure.js";
import type { AnswerPath } from "./answer-path.js";
import { Context } from "./context.js";
import { type Inflow, Reader, Writer } from "./flow.js";

const NONE: readonly number[] = [];
/** Of a message that comes bit by bit. */
const NO_MESSAGE = new Message(Buffer.alloc(0), 0, 0);

/**
 * A message, for one who answers it by himself, at any time, once: by `reply`, by `fail`, or by what is written to `begin`
 * and then `end`. That it is answered must also be said when nobody waits for it any more.
 */
export class Answering {
  readonly #connection: AnswerPath;
  readonly #address: string;
  readonly #exchange: Exchange;
  /** Made when it is needed: most calls are answered before anybody asks for any of it. */
  #context: Context | undefined;

  constructor(connection: AnswerPath, address: string, exchange: Exchange) {
    this.#connection = connection;
    this.#address = address;
    this.#exchange = exchange;
  }

  /** What else is known of the caller. */
  get context(): Context {
    const { message = NO_MESSAGE, meta } = this.#exchange;
    this.#context ??= new Context(this.#connection, this.#address, message, meta);
    return this.#context;
  }

  /** True when nobody waits for the answer any more. */
  get isAbandoned(): boolean {
    return this.#context !== undefined && Context.isAbandoned(this.#context);
  }

  /** Nobody waits for the answer any more. */
  giveUp(error: EarshotError): void {
    Context.abort(this.context, error);
  }

  /** The message, if it came whole. */
  get whole(): Message | undefined {
    return this.#exchange.message;
  }

  /** When the caller gives up, in the clock of `performance.now()`; `Infinity` for never. */
  get deadlineAt(): number {
    return this.#exchange.deadlineAt;
  }

  /** The message as it comes; of one that came whole, only that nothing more comes. To be asked for once. */
  read(): Inflow {
    const reader = new Reader();
    const { incoming } = this.#exchange;
    if (incoming === undefined) reader.give(NO_MESSAGE);
    else reader.attach(incoming);
    Context.onGone(this.context, (error) => reader.fail(error));
    return reader;
  }

  /** @param lender of the body's memory */
  reply(body: Body, lender?: Lender): void {
    this.#exchange.lender = lender;
    this.#connection.reply(this.#exchange, body, NONE);
  }

  fail(code: FailureName, text: string): void {
    this.#connection.fail(this.#exchange, code, text);
  }

  /**
   * An answer that is written bit by bit; `end` must follow.
   *
   * @param fullBytes how much may wait to leave before its writer is asked to wait
   */
  begin(fullBytes?: number): Writer {
    const outgoing = new OutgoingStream(fullBytes);
    const writer = new Writer(outgoing, (code, text) => this.fail(code, text));
    Context.onGone(this.context, (error) => writer.fail(error));
    this.#connection.replyStream(this.#exchange, outgoing, NONE);
    return writer;
  }

  /** All of the answer is written. */
  end(): void {
    this.#connection.endReply(this.#exchange);
  }
}
