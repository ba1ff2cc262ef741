import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import { Arena } from "../session/arena.js";
import { BodyMemory } from "../session/body-memory.js";
import type { Exchange } from "../session/session.js";
import type { Sockets } from "../transport/kind.js";
import type { Listener, Transport } from "../transport/transport.js";
import type { Hello } from "../wire/hello.js";
import { type Allow, refusalOf } from "./allow.js";
import { Budget } from "./budget.js";
import { Connection } from "./connection.js";
import type { ConnectionOwner, ConnectionSetup } from "./connection-setup.js";
import { duplicateAll } from "./descriptor.js";
import { DirectHandling } from "./direct-handling.js";
import { HandOver } from "./hand-over.js";
import { Handling } from "./handling.js";
import type { Notifier } from "./notify.js";
import {
  checkApp,
  checkChoice,
  checkLogger,
  DEFAULT_GRACE_MS,
  greetingsOf,
  type LISTEN_DEFAULTS,
  type Logger,
} from "./options.js";
import type { Handler, ListenOptions, StreamHandler, StreamListenOptions } from "./server.js";
import { checkLane, laneFeatures } from "./shared-options.js";

/** So many connections that cannot be let in are kept for the moment that it takes to tell them why they are refused. */
const MAX_REFUSALS = 64;

/** How a handler gets the bytes. */
const BODIES = ["message", "borrowed", "stream"] as const;

/** How long closing waits for the first bytes of those who have just connected. */
const HEAR_OUT_MS = 100;

/** A server's connections and what their messages lead to. */
export class Acceptor implements ConnectionOwner {
  readonly logger: Logger;
  #address: string;
  readonly #handling: Handling | DirectHandling;
  /** Nobody is asked for when it is missing: the mode of the socket file alone decides. */
  readonly #allow: Allow | undefined;
  readonly #maxConnections: number;
  readonly #setup: ConnectionSetup;
  readonly #handOver: HandOver;
  #listener: Listener | undefined;
  #notifier: Notifier | undefined;
  readonly #connections = new Set<Connection>();
  readonly #refused = new Set<Connection>();
  /** Resolves when everything is closed. */
  readonly closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  /** While `closing` the kernel still hands over connections; while `cutting` they are not wanted any more. */
  #phase: "open" | "closing" | "cutting" | "draining" | "closed" = "open";
  #graceTimer: NodeJS.Timeout | undefined;
  #lastId = 0;

  constructor(
    address: string,
    handler: Handler | StreamHandler,
    allow: Allow | undefined,
    sockets: Pick<Sockets, "descriptors" | "rings">,
    options: ListenOptions | StreamListenOptions,
    numbers: { readonly [K in keyof typeof LISTEN_DEFAULTS]: number },
  ) {
    const { contract } = options;
    const { descriptors } = sockets;
    const app = checkApp(options.app, contract);
    const body = checkChoice("body", options.body, BODIES);
    const limits = {
      ...numbers,
      maxDescriptors: descriptors === undefined ? 0 : numbers.maxDescriptors,
      takesStreams: body === "stream" || contract !== undefined,
    };
    this.logger = checkLogger(options.logger);
    this.#address = address;
    this.#allow = allow;
    this.#maxConnections = numbers.maxConnections;
    const wire = checkChoice("wire", options.wire, ["auto", "plain", "framed"]);
    const lane = checkLane(options.lane, options.shared, wire, sockets, this.logger);
    this.#setup = {
      role: "server",
      wire,
      limits,
      greetings: greetingsOf(limits, app, laneFeatures(lane)),
      app,
      arena: new Arena(),
      bodies: body === "borrowed" ? new BodyMemory() : undefined,
      descriptors,
      lane,
      budget: new Budget(numbers.maxBufferedBytes),
      owner: this,
    };
    this.#handling =
      contract === undefined
        ? new Handling(handler, () => this.#address, this.#setup, this.logger)
        : new DirectHandling(contract.answer, () => this.#address);
    const canHandOver = options.handOver !== false;
    this.#handOver = new HandOver(
      () => (canHandOver && this.#phase === "open" ? this.#listener : undefined),
      () => this.#leaveToHeir(),
      contract?.describe,
    );
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  accept(transport: Transport): void {
    if (this.#phase === "cutting") {
      transport.close();
      return;
    }
    const id = ++this.#lastId;
    const refusal = this.#refusalOf(id, transport);
    if (refusal === undefined) this.#connections.add(new Connection(id, transport, this.#setup));
    else if (this.#refused.size >= MAX_REFUSALS) transport.close();
    else this.#refused.add(new Connection(id, transport, this.#setup, refusal));
  }

  /** What to tell somebody who cannot be let in; `undefined` for who can. */
  #refusalOf(id: number, transport: Transport): EarshotError | undefined {
    if (this.#allow !== undefined) {
      const { credentials } = transport;
      const refusal = refusalOf(this.#allow, credentials);
      if (refusal !== undefined) {
        this.logger.warn({ peer: id, credentials, error: refusal.cause }, `refused a connection: ${refusal.text}`);
        return new EarshotError("PEER_REFUSED", `the server does not let this side in: ${refusal.text}`);
      }
    }
    if (this.#connections.size < this.#maxConnections) return undefined;
    this.logger.warn({ peer: id }, `refused a connection: there are ${this.#maxConnections} already (maxConnections)`);
    const text = `the server has all the ${this.#maxConnections} connections that it takes; try again later`;
    return new EarshotError("OVERLOADED", text);
  }

  /** From now on connections come from this; it is closed with the rest. */
  attach(listener: Listener, notifier: Notifier | undefined): void {
    this.#address = listener.address;
    this.#listener = listener;
    this.#notifier = notifier;
  }

  close(graceMs: number): Promise<void> {
    if (this.#phase === "open") this.#leave(graceMs, () => this.#listener?.close());
    else this.#cut();
    return this.closed;
  }

  /** @param stop ends accepting */
  #leave(graceMs: number, stop: () => Promise<void> | undefined): void {
    this.#phase = "closing";
    this.#notifier?.stopping();
    if (graceMs !== Infinity) this.#graceTimer = setTimeout(() => this.#cut(), graceMs);
    void this.#drain(stop);
  }

  /** Another process has the socket and serves. */
  #leaveToHeir(): void {
    if (this.#phase !== "open") return;
    this.logger.info({ address: this.#address }, "another process has taken over");
    this.#leave(DEFAULT_GRACE_MS, () => {
      this.#listener?.abandon();
      return undefined;
    });
  }

  onGreeting(connection: Connection, hello: Hello): void {
    this.logger.debug({ peer: connection.id, app: hello.app }, "connection opened");
  }

  onExchange(connection: Connection, exchange: Exchange): void {
    const { message } = exchange;
    if (exchange.isSystem && message !== undefined) this.#answerSystem(connection, exchange, message);
    else this.#handling.handle(connection, exchange);
  }

  #answerSystem(connection: Connection, exchange: Exchange, message: Message): void {
    const answer = this.#handOver.answer(connection, message);
    // They were not asked for.
    connection.closeDescriptors(exchange.received);
    if ("code" in answer) connection.fail(exchange, answer.code, answer.text);
    else connection.reply(exchange, answer.data, duplicateAll(this.#setup.descriptors, answer.descriptors));
  }

  onCallerGone(connection: Connection, exchange: Exchange, error: EarshotError): void {
    this.logger.debug({ peer: connection.id, error }, "a caller is gone before its answer");
    this.#handling.giveUp(exchange, error);
  }

  onClosing(): void {}

  onClosed(connection: Connection, error: EarshotError | undefined): void {
    this.#connections.delete(connection);
    this.#refused.delete(connection);
    this.#handOver.onClosed(connection);
    const { id } = connection;
    if (error === undefined || error.code === "CONNECTION_LOST" || error.code === "CONNECTION_CLOSED") {
      this.logger.debug({ peer: id, error }, "connection closed");
    } else if (!connection.isRefused) this.logger.warn({ peer: id, error }, `cut the connection: ${error.message}`);
    this.#finishIfEmpty();
  }

  async #drain(stop: () => Promise<void> | undefined): Promise<void> {
    await stop();
    this.#phase = "draining";
    await this.#hearOut();
    for (const connection of this.#connections) {
      connection.close("CONNECTION_CLOSED", "the server is closing");
    }
    for (const connection of this.#refused) connection.abort(undefined);
    this.#finishIfEmpty();
  }

  /** Who has only just connected is about to speak: what comes now is still handled. */
  async #hearOut(): Promise<void> {
    const deadline = performance.now() + HEAR_OUT_MS;
    for (let turns = 0; performance.now() < deadline; turns++) {
      await new Promise((resolve) => (turns < 2 ? setImmediate(resolve) : setTimeout(resolve, 2)));
      const isSilent = (connection: Connection) => connection.wire === undefined;
      if (turns > 0 && ![...this.#connections].some(isSilent)) break;
    }
  }

  #cut(): void {
    if (this.#phase === "closing") this.#phase = "cutting";
    const error = new EarshotError("CONNECTION_CLOSED", "the server has closed", { op: "close" });
    for (const connection of [...this.#connections, ...this.#refused]) connection.abort(error);
  }

  #finishIfEmpty(): void {
    if (this.#phase !== "draining" || this.#connections.size > 0 || this.#refused.size > 0) return;
    this.#phase = "closed";
    clearTimeout(this.#graceTimer);
    this.#resolveClosed();
  }
}
