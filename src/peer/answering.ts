import { Message } from "../message.js";
import { OutgoingStream } from "../session/outgoing-stream.js";
import type { Body, Exchange, Lender } from "../session/session.js";
import type { FailureName } from "../wire/failure.js";
import type { Connection } from "./connection.js";
import { Context } from "./context.js";
import { type Inflow, Reader, Writer } from "./flow.js";

const NONE: readonly number[] = [];
/** Of a message that comes bit by bit. */
const NO_MESSAGE = new Message(Buffer.alloc(0), 0, 0);

/**
 * A message, for one who answers it by himself, at any time, once: by `reply`, by `fail`, or by what is written to `begin`
 * and then `end`. That it is answered must also be said when nobody waits for it any more.
 */
export class Answering extends Context {
  readonly #connection: Connection;
  readonly #exchange: Exchange;
  #reader: Reader | undefined;
  #writer: Writer | undefined;

  constructor(connection: Connection, address: string, exchange: Exchange) {
    super(connection, address, exchange.message ?? NO_MESSAGE);
    this.#connection = connection;
    this.#exchange = exchange;
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
    this.#reader = reader;
    this.#hear();
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
    this.#writer = new Writer(outgoing, (code, text) => this.fail(code, text));
    this.#hear();
    this.#connection.replyStream(this.#exchange, outgoing, NONE);
    return this.#writer;
  }

  /** All of the answer is written. */
  end(): void {
    this.#connection.endReply(this.#exchange);
  }

  /** What is read or written breaks off when the caller goes. */
  #hear(): void {
    Context.onGone(this, (error) => {
      this.#reader?.fail(error);
      this.#writer?.fail(error);
    });
  }
}
