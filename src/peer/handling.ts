import { EarshotError } from "../errors.js";
import { type Descriptor, Message } from "../message.js";
import type { BodyMemory } from "../session/body-memory.js";
import { OutgoingStream } from "../session/outgoing-stream.js";
import type { Body, Exchange } from "../session/session.js";
import type { AnswerPath } from "./answer-path.js";
import { type Chunks, isChunks, pump, type SourceError } from "./chunks.js";
import type { ConnectionSetup } from "./connection-setup.js";
import { Context } from "./context.js";
import { type DescriptorTable, duplicateAll, ReceivedDescriptor } from "./descriptor.js";
import { Reader, Writer } from "./flow.js";
import type { Handler, StreamHandler } from "./handler.js";
import { Loan } from "./loan.js";
import type { Logger } from "./options.js";
import { asFullReply, describe, isBody, isThenable } from "./reply.js";
import { StreamedMessage } from "./streamed-message.js";

const NONE: readonly never[] = [];

/** From messages to their answers: what the handler returns, throws, or writes. */
export class Handling {
  readonly #handler: (message: Message & StreamedMessage, context: Context) => unknown;
  readonly #address: () => string;
  readonly #table: DescriptorTable | undefined;
  readonly #logger: Logger;
  readonly #takesStreams: boolean;
  readonly #bodies: BodyMemory | undefined;

  constructor(
    handler: Handler | StreamHandler,
    address: () => string,
    { descriptors, limits, bodies }: ConnectionSetup,
    logger: Logger,
  ) {
    this.#handler = handler;
    this.#address = address;
    this.#table = descriptors;
    this.#bodies = bodies;
    this.#logger = logger;
    this.#takesStreams = limits.takesStreams;
  }

  handle(connection: AnswerPath, exchange: Exchange): void {
    const message = this.#messageOf(connection, exchange);
    const context = new Context(connection, this.#address(), message, exchange.meta);
    exchange.context = context;
    let reply: unknown;
    try {
      // Which of the two it is was said when the server was made.
      reply = this.#handler(message as Message & StreamedMessage, context);
    } catch (error) {
      this.#fail(connection, exchange, error);
      return;
    }
    if (isThenable(reply)) void this.#replyLater(connection, exchange, reply);
    else this.#reply(connection, exchange, reply);
  }

  /** Nobody waits for the answer any more. */
  giveUp(exchange: Exchange, error: EarshotError): void {
    if (exchange.context instanceof Context) Context.abort(exchange.context, error);
  }

  #messageOf(connection: AnswerPath, exchange: Exchange): Message | StreamedMessage {
    const { message, received } = exchange;
    const descriptors = received.length === 0 ? NONE : this.#receive(received);
    if (message !== undefined && !this.#takesStreams) {
      return descriptors.length === 0 ? message : Message.withDescriptors(message, descriptors);
    }
    const reader = new Reader();
    if (exchange.incoming !== undefined) reader.attach(exchange.incoming);
    else if (message !== undefined) reader.give(message);
    const begin = () => this.#beginReply(connection, exchange, NONE);
    const leave = () => reader.stop();
    return new StreamedMessage({ reader, descriptors, leave, begin });
  }

  #receive(received: readonly number[]): readonly Descriptor[] {
    const table = this.#table;
    return table === undefined ? NONE : received.map((fd) => new ReceivedDescriptor(table, fd));
  }

  async #replyLater(connection: AnswerPath, exchange: Exchange, pending: PromiseLike<unknown>): Promise<void> {
    let reply: unknown;
    try {
      reply = await pending;
    } catch (error) {
      this.#fail(connection, exchange, error);
      return;
    }
    this.#reply(connection, exchange, reply);
  }

  #reply(connection: AnswerPath, exchange: Exchange, reply: unknown): void {
    if (exchange.received.length === 0 && !this.#takesStreams && isBody(reply)) {
      connection.reply(exchange, this.#takeBack(exchange, reply), NONE);
      return;
    }
    try {
      const message = exchange.context instanceof Context ? Context.message(exchange.context) : undefined;
      const accepted = message instanceof StreamedMessage ? StreamedMessage.accepted(message) : undefined;
      if (accepted !== undefined) this.#end(connection, exchange, message, accepted, reply);
      else {
        const { data, descriptors } = asFullReply(reply);
        if (data instanceof Loan) Loan.assertOpen(data);
        const duplicates = duplicateAll(this.#table, descriptors);
        if (isChunks(data)) void this.#replyChunks(connection, exchange, data, duplicates);
        else {
          if (data instanceof Loan) Loan.send(data, exchange);
          const body = this.#takeBack(exchange, data instanceof Loan ? exchange.body : data);
          message?.[Symbol.dispose]();
          connection.reply(exchange, body, duplicates);
        }
      }
    } catch (error) {
      this.#fail(connection, exchange, error);
    }
  }

  /** The handler had both directions for itself, and is done with them. */
  #end(
    connection: AnswerPath,
    exchange: Exchange,
    message: Message | StreamedMessage | undefined,
    writer: Writer,
    reply: unknown,
  ): void {
    if (reply !== undefined) {
      const fact = "the handler accepted both directions: what it writes is the reply, and it returns nothing";
      throw new EarshotError("INVALID_ARGUMENT", `Cannot reply: ${fact}`);
    }
    message?.[Symbol.dispose]();
    writer.finish();
    connection.endReply(exchange);
  }

  #beginReply(connection: AnswerPath, exchange: Exchange, descriptors: readonly number[]): Writer {
    const outgoing = new OutgoingStream();
    const writer = new Writer(outgoing, (code, text, remoteCode, cause) => {
      connection.fail(exchange, code, text, remoteCode);
      this.giveUp(exchange, new EarshotError("CANCELLED", `This side has broken off: ${text}`, { cause }));
    });
    if (exchange.context instanceof Context) Context.onGone(exchange.context, (error) => writer.fail(error));
    connection.replyStream(exchange, outgoing, descriptors);
    return writer;
  }

  async #replyChunks(
    connection: AnswerPath,
    exchange: Exchange,
    chunks: Chunks,
    descriptors: readonly number[],
  ): Promise<void> {
    const writer = this.#beginReply(connection, exchange, descriptors);
    try {
      await pump(chunks, writer);
    } catch (error) {
      this.#fail(connection, exchange, (error as SourceError).cause);
      return;
    }
    this.#takeBack(exchange, "");
    // What is sent may be made of the message: only now is nobody left to read it.
    if (exchange.context instanceof Context) Context.message(exchange.context)[Symbol.dispose]();
    connection.endReply(exchange);
  }

  #fail(connection: AnswerPath, exchange: Exchange, error: unknown): void {
    this.#logger.error({ peer: connection.id, error }, "the handler failed");
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const text = describe(error instanceof Error ? error.message : error);
    this.#takeBack(exchange, "");
    const message = exchange.context instanceof Context ? Context.message(exchange.context) : undefined;
    message?.[Symbol.dispose]();
    if (message instanceof StreamedMessage) {
      const reason = new EarshotError("HANDLER_FAILED", `The handler failed: ${text}`, { cause: error });
      StreamedMessage.accepted(message)?.fail(reason);
    }
    // The handler of a stream is who finds out. An error of its own sends concerns other messages.
    const isTooLarge = error instanceof EarshotError && code === "MESSAGE_TOO_LARGE" && error.op === undefined;
    if (isTooLarge) connection.fail(exchange, code, text);
    else connection.fail(exchange, "HANDLER_FAILED", text, typeof code === "string" ? code : "");
  }

  /** The handler has settled: what it was only lent is used again. */
  #takeBack({ message }: Exchange, reply: Body): Body {
    return message === undefined || this.#bodies === undefined ? reply : this.#bodies.takeBack(message, reply);
  }
}
