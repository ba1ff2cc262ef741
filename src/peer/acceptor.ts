import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import { Arena } from "../session/arena.js";
import { BodyMemory } from "../session/body-memory.js";
import type { Exchange } from "../session/session.js";
import type { Sockets } from "../transport/kind.js";
import type { Listener, Transport } from "../transport/transport.js";
import type { Hello } from "../wire/hello.js";
import { Admission, checkOverload } from "./admission.js";
import type { Allow } from "./allow.js";
import { Broadcaster } from "./broadcaster.js";
import { Budget } from "./budget.js";
import { Connection } from "./connection.js";
import type { ConnectionOwner, ConnectionSetup } from "./connection-setup.js";
import { checkDeduplicate } from "./deduplication.js";
import { duplicateAll } from "./descriptor.js";
import { DirectHandling } from "./direct-handling.js";
import { Entrance } from "./entrance.js";
import { HandOver } from "./hand-over.js";
import type { Handler, StreamHandler } from "./handler.js";
import { Handling } from "./handling.js";
import { type HearOut, hearOut, THE_LAST, THE_SILENT } from "./hear-out.js";
import { IdleExit } from "./idle-exit.js";
import type { ListenOptions, StreamListenOptions } from "./listen-options.js";
import type { Notifier } from "./notify.js";
import { Once } from "./once.js";
import { checkApp, checkChoice, checkLogger, DEFAULT_GRACE_MS, type LISTEN_DEFAULTS, type Logger } from "./options.js";
import { readOrder } from "./order.js";
import { checkLane, laneGreetings } from "./shared-options.js";
import { SYSTEM_TIME } from "./time.js";

/** So many connections that cannot be let in are kept for the moment that it takes to tell them why they are refused. */
const MAX_REFUSALS = 64;

/** How a handler gets the bytes. */
const BODIES = ["message", "borrowed", "stream"] as const;

/** A server's connections and what their messages lead to. */
export class Acceptor implements ConnectionOwner {
  readonly logger: Logger;
  #address: string;
  readonly #handling: Handling | DirectHandling;
  /** For messages that have an id, unless all are handled as they come. */
  readonly #once: Once | undefined;
  /** Where a number of messages is all that is handled at a time. */
  readonly #admission: Admission | undefined;
  readonly #entrance: Entrance;
  readonly #setup: ConnectionSetup;
  readonly #handOver: HandOver;
  readonly #idleExit: IdleExit;
  readonly broadcaster: Broadcaster;
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
    this.#entrance = new Entrance(allow, numbers.maxConnections, this.logger);
    const wire = checkChoice("wire", options.wire, ["auto", "plain", "framed"]);
    const lane = checkLane(options.lane, options.shared, wire, sockets, this.logger);
    const overload = checkOverload(options.overload);
    if (overload !== undefined) {
      const handle = (connection: Connection, exchange: Exchange) => this.#dispatch(connection, exchange);
      this.#admission = new Admission(overload, handle, this.logger, SYSTEM_TIME);
    }
    this.#setup = {
      role: "server",
      wire,
      limits,
      ...laneGreetings(lane, limits, app),
      app,
      arena: new Arena(),
      bodies: body === "borrowed" ? new BodyMemory() : undefined,
      descriptors,
      lane,
      budget: new Budget(numbers.maxBufferedBytes),
      owner: this,
      admission: this.#admission,
    };
    this.#handling =
      contract === undefined
        ? new Handling(handler, () => this.#address, this.#setup, this.logger)
        : new DirectHandling(contract.answer, () => this.#address);
    this.#once = this.#onceFor(options);
    this.broadcaster = new Broadcaster(options.broadcast, numbers.maxMessageBytes, this.logger, SYSTEM_TIME);
    const canHandOver = options.handOver !== false;
    this.#handOver = new HandOver(
      () => (canHandOver && this.#phase === "open" ? this.#listener : undefined),
      { toHeir: () => this.#leaveToHeir(), entirely: () => this.#leaveWhenAsked() },
      {
        canLeave: canHandOver,
        isPrivate: address.startsWith("unix:/") && (numbers.mode & 0o077) === 0,
        describe: contract?.describe,
      },
    );
    this.#idleExit = new IdleExit(numbers.idleExitMs, () => void this.#leaveIfUnused());
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  #onceFor({ deduplicate }: Pick<ListenOptions, "deduplicate">): Once | undefined {
    const memory = checkDeduplicate(deduplicate);
    if (memory === undefined) return undefined;
    const { bodies } = this.#setup;
    const takeBack = (message: Message) => bodies?.takeBack(message, "");
    return new Once({ memory, handling: this.#handling, takeBack, logger: this.logger });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  accept(transport: Transport): void {
    if (this.#phase === "cutting") {
      transport.close();
      return;
    }
    this.#idleExit.stop();
    const id = ++this.#lastId;
    const refusal = this.#entrance.refusalOf(id, transport.credentials, this.#connections.size);
    if (refusal === undefined) this.#connections.add(new Connection(id, transport, this.#setup));
    else if (this.#refused.size >= MAX_REFUSALS) transport.close();
    else this.#refused.add(new Connection(id, transport, this.#setup, refusal));
  }

  /** From now on connections come from this; it is closed with the rest. */
  attach(listener: Listener, notifier: Notifier | undefined): void {
    this.#address = listener.address;
    this.#listener = listener;
    this.#notifier = notifier;
    if (this.#connections.size === 0) this.#idleExit.start();
  }

  close(graceMs: number): Promise<void> {
    if (this.#phase === "open") this.#leave(graceMs, THE_SILENT, () => this.#listener?.close());
    else this.#cut();
    return this.closed;
  }

  /** @param stop ends accepting */
  #leave(graceMs: number, whom: HearOut, stop: () => Promise<void> | undefined): void {
    this.#phase = "closing";
    this.#idleExit.stop();
    this.#notifier?.stopping();
    if (graceMs !== Infinity) this.#graceTimer = setTimeout(() => this.#cut(), graceMs);
    void this.#drain(whom, stop);
  }

  /** Another process has the socket and serves. */
  #leaveToHeir(): void {
    if (this.#phase !== "open") return;
    this.logger.info({ address: this.#address }, "another process has taken over");
    this.#leave(DEFAULT_GRACE_MS, THE_SILENT, () => {
      this.#listener?.abandon();
      return undefined;
    });
  }

  /** A newer version wants the place. */
  #leaveWhenAsked(): void {
    if (this.#phase !== "open") return;
    this.logger.info({ address: this.#address }, "leaving: a newer version has asked for it");
    this.#leave(DEFAULT_GRACE_MS, THE_SILENT, () => this.#listener?.close());
  }

  async #leaveIfUnused(): Promise<void> {
    const hasLeft = await this.#listener?.leaveIfUnused();
    if (this.#phase !== "open") return;
    if (hasLeft) {
      this.logger.info({ address: this.#address }, "leaving: nobody has used this server for a while (idleExitMs)");
      this.#leave(DEFAULT_GRACE_MS, THE_LAST, () => undefined);
    } else if (this.#connections.size === 0) this.#idleExit.start();
  }

  onGreeting(connection: Connection, hello: Hello): void {
    this.logger.debug({ peer: connection.id, app: hello.app }, "connection opened");
  }

  onExchange(connection: Connection, exchange: Exchange): void {
    const { message } = exchange;
    if (exchange.isSystem && message !== undefined) this.#answerSystem(connection, exchange, message);
    else if (this.#admission === undefined) this.#dispatch(connection, exchange);
    else this.#admission.admit(connection, exchange);
  }

  #dispatch(connection: Connection, exchange: Exchange): void {
    const id = exchange.meta?.id;
    if (id === undefined || this.#once === undefined) this.#handling.handle(connection, exchange);
    else this.#once.handle(connection, exchange, id);
  }

  #answerSystem(connection: Connection, exchange: Exchange, message: Message): void {
    // They were not asked for.
    connection.closeDescriptors(exchange.received);
    const order = readOrder(message);
    if (order.do === "subscribe") {
      this.broadcaster.subscribe(connection, this.#address, exchange, order);
      return;
    }
    const answer = this.#handOver.answer(connection, order);
    if ("code" in answer) connection.fail(exchange, answer.code, answer.text);
    else connection.reply(exchange, answer.data, duplicateAll(this.#setup.descriptors, answer.descriptors));
  }

  onCallerGone(connection: Connection, exchange: Exchange, error: EarshotError): void {
    this.logger.debug({ peer: connection.id, error }, "a caller is gone before its answer");
    if (exchange.isSystem) this.broadcaster.giveUp(exchange, error);
    else if (this.#admission?.giveUp(exchange) !== true) this.#handling.giveUp(exchange, error);
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
    if (this.#connections.size === 0 && this.#phase === "open") this.#idleExit.start();
    this.#finishIfEmpty();
  }

  async #drain(whom: HearOut, stop: () => Promise<void> | undefined): Promise<void> {
    await stop();
    this.#phase = "draining";
    await hearOut(this.#connections, whom);
    this.broadcaster.close();
    for (const connection of this.#connections) {
      connection.close("CONNECTION_CLOSED", "the server is closing");
    }
    for (const connection of this.#refused) connection.abort(undefined);
    this.#finishIfEmpty();
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
