import type { EarshotError } from "../errors.js";
import type { Descriptor, Message } from "../message.js";
import type { Body, Exchange } from "../session/session.js";
import type { Credentials } from "../transport/credentials.js";
import type { Outflow } from "../contract/flow.js";
import type { FailureName } from "../wire/failure.js";
import type { Connection } from "./connection.js";

/** @internal what a handler returns that answers by `Context.reply` or `Context.fail`. */
export const LATER = Symbol("later") as unknown as undefined;

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
  readonly #connection: Connection;
  readonly #address: string;
  readonly #message: Message;
  readonly #exchange: Exchange;
  #controller: AbortController | undefined;
  #goneBecause: EarshotError | undefined;

  /** @internal */
  constructor(connection: Connection, address: string, message: Message, exchange: Exchange) {
    this.#connection = connection;
    this.#exchange = exchange;
    this.#message = message;
    this.#address = address;
  }

  get peer(): Peer {
    const { id, transport } = this.#connection;
    return { id, address: this.#address, credentials: transport.credentials };
  }

  /** The open files that came with the message; those that the handler has not taken are closed when it settles. */
  get descriptors(): readonly Descriptor[] {
    return this.#message.descriptors;
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

  /** @internal when the caller gives up, in milliseconds of `performance.now()`; `Infinity` for never. */
  static deadlineOf(context: Context): number {
    return context.#exchange.deadlineAt;
  }

  /** @internal the answer, bit by bit */
  static stream(context: Context): Outflow {
    throw new Error(`not yet ${context.wire}`);
  }

  /** @internal */
  static isAbandoned(context: Context): boolean {
    return context.#goneBecause !== undefined;
  }

  /** @internal */
  static reply(context: Context, body: Body): void {
    for (const descriptor of context.#message.descriptors) descriptor[Symbol.dispose]();
    context.#connection.reply(context.#exchange, body, []);
  }

  /** @internal */
  static fail(context: Context, code: FailureName, text: string): void {
    for (const descriptor of context.#message.descriptors) descriptor[Symbol.dispose]();
    context.#connection.fail(context.#exchange, code, text);
  }

  /** @internal */
  static abort(context: Context, error: EarshotError): void {
    context.#goneBecause = error;
    context.#controller?.abort(error);
  }
}
