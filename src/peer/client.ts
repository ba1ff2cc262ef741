import { parseAddress } from "../address.js";
import { EarshotError, failure } from "../errors.js";
import type { Descriptor, Message } from "../message.js";
import { Arena } from "../session/arena.js";
import type { Body, OwnContract, Request, SessionLimits } from "../session/session.js";
import { chooseSockets, type TransportKind } from "../transport/kind.js";
import { resolveSocket } from "../transport/resolve.js";
import type { Transport } from "../transport/transport.js";
import { type AppInfo, SYSTEM_FEATURE } from "../wire/hello.js";
import { type Allow, checkAllow, refusalOf } from "./allow.js";
import type { Channel } from "./channel.js";
import { type Chunks, isChunks, pump, type SourceError } from "./chunks.js";
import { type DescriptorTable, duplicateAll } from "./descriptor.js";
import { type Duplex, toDuplex } from "./duplex.js";
import type { Inflow, Writer } from "./flow.js";
import { FramedChannel } from "./framed-channel.js";
import {
  type App,
  type CloseOptions,
  checkApp,
  checkChoice,
  checkGrace,
  checkLogger,
  checkSignal,
  checkTimeout,
  DIAL_DEFAULTS,
  greetingsOf,
  type Logger,
  withDefaults,
} from "./options.js";
import { checkBody, type Origin, Pending, type WaitOptions } from "./pending.js";
import { PlainChannel } from "./plain-channel.js";
import type { StreamedMessage } from "./streamed-message.js";
import { StreamedPending } from "./streamed-pending.js";

/** All sizes in bytes, all times in milliseconds. */
export interface DialOptions {
  /**
   * `"framed"` (default): all messages share a connection. `"plain"`: each has its own, for servers that read until the
   * end of input.
   */
  readonly wire?: "framed" | "plain" | undefined;
  /** For the connection to stand; default 5 s, 0 for no limit. */
  readonly connectTimeoutMs?: number | undefined;
  readonly app?: App | undefined;
  /** @internal waits for the greeting, as with `app.accepts` */
  readonly contract?: OwnContract | undefined;
  /** The largest reply that is taken; default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Which users' servers to talk to; default any. Needs the native addon: without it, none. */
  readonly allow?: Allow | undefined;
  /** As for `listen`. */
  readonly transport?: "auto" | TransportKind | undefined;
  /** How many descriptors a reply may bring; default 16, at most 253. */
  readonly maxDescriptors?: number | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
  /** Gives up dialing when it aborts; a client that is there already is closed by `close`. */
  readonly signal?: AbortSignal | undefined;
}

/** A server may be busy for a while; one that has not greeted by then is no earshot server. */
const GREETING_MS = 30_000;

export interface SendOptions extends WaitOptions {
  /**
   * Open files that the handler gets with the message: numbers, or what came with another message. They are duplicated at
   * once and stay the caller's, to be closed at any time. Only between two sides that have the native addon.
   */
  readonly descriptors?: readonly (number | Descriptor)[] | undefined;
  /** How the reply is wanted: whole. See `StreamSendOptions` for the other way. */
  readonly body?: "message" | undefined;
}

/** For replies that are read as they come. */
export interface StreamSendOptions extends Omit<SendOptions, "body"> {
  /** The reply may have any size: `maxMessageBytes` does not apply, and the server is held back to what is read of it. */
  readonly body: "stream";
}

/** What a ping found out. */
export interface Pong {
  /** There and back, in milliseconds. */
  readonly roundTripMs: number;
  /** The server's application, if it says. */
  readonly app: AppInfo | undefined;
}

/** A way to one server. Whoever dialed it closes it; until then it keeps the process alive, as any open socket does. */
export class Client implements AsyncDisposable {
  /** Where it was dialed, as `unix:/path` or `unix:@name`. */
  readonly address: string;
  /** Resolves when the client is closed, with the reason; never rejects. */
  readonly closed: Promise<EarshotError | undefined>;
  readonly #channel: Channel;
  readonly #sends: Origin;
  #isClosing = false;

  /** @internal use `dial` */
  constructor(
    address: string,
    channel: Channel,
    closed: Promise<EarshotError | undefined>,
    descriptors: DescriptorTable | undefined,
  ) {
    this.address = address;
    this.#sends = { op: "send", address, table: descriptors };
    this.#channel = channel;
    this.closed = closed;
  }

  /** The server's application, once it has answered something and if it says. */
  get serverApp(): AppInfo | undefined {
    return this.#channel.app;
  }

  /**
   * Sends a message and resolves with the reply when the other side's handler has finished with it. Text goes as UTF-8.
   * Bytes must stay unchanged until then: large ones are not copied. A message of any size need not be in memory: an async
   * iterable or a web stream is read as fast as the other side takes it.
   *
   * @throws EarshotError `HANDLER_FAILED`, `CONNECTION_LOST`, `TIMEOUT`, `CANCELLED`, `MESSAGE_TOO_LARGE`, ...; its
   * `delivery` tells whether the message may have been handled.
   */
  send(data: string | Uint8Array | Chunks, options?: SendOptions): Promise<Message>;
  /** The same; the reply is a stream, and this resolves when its first bytes have come. */
  send(data: string | Uint8Array | Chunks, options: StreamSendOptions): Promise<StreamedMessage>;
  send(
    data: string | Uint8Array | Chunks,
    options?: SendOptions | StreamSendOptions,
  ): Promise<Message | StreamedMessage> {
    if (options?.body !== undefined || isChunks(data)) return this.#sendStreamed(data, options ?? {});
    return new Promise((resolve, reject) => {
      const body = checkBody(data, "this message");
      const pending = new Pending(this.#sends, body, resolve, reject);
      this.#begin(pending, options);
    });
  }

  /**
   * Both directions of an exchange, for protocols that bring their own framing; the server's handler gets it as any other
   * message. The streams reject with what `send` would reject with.
   *
   * @param options for the whole exchange, until both directions have ended
   */
  open(options?: WaitOptions): Duplex {
    const { in: incoming, out } = this.flow(options);
    return toDuplex(incoming, out);
  }

  /** @internal as `open`, without web streams */
  flow(options?: WaitOptions): { readonly in: Inflow; readonly out: Writer } {
    const pending = new StreamedPending(this.#sends, undefined, true, this.#control, { resolve() {}, reject() {} });
    const { reader, writer } = pending;
    if (writer === undefined) throw new Error("a message without a body has a writer");
    this.#begin(pending, options);
    return { in: reader, out: writer };
  }

  #sendStreamed(
    data: string | Uint8Array | Chunks,
    options: SendOptions | StreamSendOptions,
  ): Promise<Message | StreamedMessage> {
    return new Promise((resolve, reject) => {
      const isStreamed = checkChoice<"message" | "stream">("body", options.body, ["message", "stream"]) === "stream";
      const body = isChunks(data) ? undefined : checkBody(data, "this message");
      const pending = new StreamedPending(this.#sends, body, isStreamed, this.#control, { resolve, reject });
      this.#begin(pending, options);
      if (pending.writer === undefined || !isChunks(data)) return;
      pump(data, pending.writer).catch((error: SourceError) => pending.breakOff(error.message, error.cause));
    });
  }

  readonly #giveUp = (request: Request): void => this.#channel.cancel(request, "CANCELLED");

  readonly #control = { cancel: this.#giveUp, stop: (request: Request) => this.#channel.stop(request) };

  /** @internal a message to the other side's earshot */
  system(order: object, options: WaitOptions): Promise<Message> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(order);
      const pending = new Pending(this.#sends, body, resolve, reject);
      pending.isSystem = true;
      if (this.#limit(pending, options)) this.#channel.send(pending);
    });
  }

  /** @internal as `send`, for who makes something else of the reply. */
  begin(pending: Pending, options: WaitOptions | undefined): void {
    this.#begin(pending, options);
  }

  /** @internal an exchange whose reply comes bit by bit; so does the message, where there is no body. */
  exchange(origin: Origin, body: Body | undefined, options: WaitOptions | undefined): StreamedPending {
    const pending = new StreamedPending(origin, body, true, this.#control, { resolve() {}, reject() {} });
    this.#begin(pending, options);
    return pending;
  }

  /** Asks for a sign of life; the server answers it without its handler. */
  async ping(options?: WaitOptions): Promise<Pong> {
    const startedAt = performance.now();
    await new Promise<Message>((resolve, reject) => {
      const pending = new Pending({ ...this.#sends, op: "ping" }, "", resolve, reject);
      if (options === undefined || this.#limit(pending, options)) this.#channel.ping(pending);
    });
    return { roundTripMs: performance.now() - startedAt, app: this.#channel.app };
  }

  /**
   * Takes no new messages, waits until all that were sent are settled, then ends. When the grace is over, or with a
   * second call, the rest is rejected with `CONNECTION_CLOSED`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const graceMs = checkGrace(options);
    const cut = () =>
      this.#channel.cut(new EarshotError("CONNECTION_CLOSED", "the client was closed", { op: "close" }));
    if (this.#isClosing) cut();
    this.#isClosing = true;
    this.#channel.close();
    const timer = graceMs === Infinity ? undefined : setTimeout(cut, graceMs);
    await this.closed;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(pending: Pending, options: SendOptions | StreamSendOptions | undefined): void {
    if (options?.descriptors !== undefined) {
      // Before anything is opened: what throws later would leave it open.
      checkTimeout("timeoutMs", options.timeoutMs);
      checkSignal(options.signal);
      pending.descriptors = duplicateAll(this.#sends.table, options.descriptors);
    }
    if (options === undefined || this.#limit(pending, options)) this.#channel.send(pending);
  }

  /** Returns false when it was over before it began. */
  #limit(pending: Pending, { timeoutMs, signal }: WaitOptions): boolean {
    const isAborted = checkSignal(signal)?.aborted === true;
    pending.limit(checkTimeout("timeoutMs", timeoutMs), signal, this.#giveUp);
    if (isAborted) pending.onFailure("CANCELLED", "", "unsent");
    return !isAborted;
  }
}

/**
 * Connects to a server. On the framed wire its greeting comes with its first answer, and a mismatch of versions rejects
 * the first `send`; with `app.accepts`, `dial` itself waits for the greeting.
 *
 * @param address as for `listen`
 * @throws EarshotError `NO_SERVER`, `TIMEOUT`, `CANCELLED`, `PERMISSION_DENIED`, `VERSION_MISMATCH`, ...
 * @example
 * const client = await dial("/run/user/1000/app.sock");
 * const reply = await client.send("hello");
 */
export function dial(address: string, options: DialOptions = {}): Promise<Client> {
  return dialWith(address, options, []);
}

/** For messages to the server's earshot alone, whatever versions of the application it accepts. */
export function dialSystem(address: string, app: App | undefined): Promise<Client> {
  const own = app === undefined ? undefined : { name: app.name, version: app.version };
  return dialWith(address, { app: own, transport: "native", maxDescriptors: 1 }, [SYSTEM_FEATURE]);
}

async function dialWith(address: string, options: DialOptions, features: readonly string[]): Promise<Client> {
  const { maxMessageBytes, maxDescriptors, connectTimeoutMs } = withDefaults({ ...options }, DIAL_DEFAULTS);
  const wire = checkChoice("wire", options.wire, ["framed", "plain"]);
  const app = checkApp(options.app, options.contract);
  const logger = checkLogger(options.logger);
  const signal = checkSignal(options.signal);
  const target = resolveSocket(parseAddress(address), "dial");
  const sockets = chooseSockets(checkChoice("transport", options.transport, ["auto", "native", "net"]));
  const isGreetingAwaited = options.app?.accepts !== undefined || options.contract !== undefined;
  const limits: SessionLimits = {
    maxMessageBytes,
    maxInFlight: 1,
    maxDescriptors: sockets.descriptors === undefined ? 0 : maxDescriptors,
    handshakeTimeoutMs: isGreetingAwaited ? connectTimeoutMs : GREETING_MS,
    messageTimeoutMs: 0,
    idleTimeoutMs: 0,
    takesStreams: false,
  };
  const { descriptors } = sockets;
  const greetings = greetingsOf(limits, app, features);
  const setup = { role: "client", wire, limits, greetings, app, arena: new Arena(), descriptors } as const;
  const allow = checkAllow(options.allow);
  const connect = async (until?: AbortSignal) => {
    const transport = await sockets.dial(target, { timeoutMs: connectTimeoutMs, signal: until });
    if (allow !== undefined) assertAllowed(allow, transport, target.text);
    return transport;
  };
  const transport = await connect(signal);

  let onEnd: (error: EarshotError | undefined) => void = () => {};
  const closed = new Promise<EarshotError | undefined>((resolve) => {
    onEnd = (error) => {
      logger.debug({ address: target.text, error }, "client closed");
      resolve(error);
    };
  });
  logger.debug({ address: target.text }, "client connected");
  if (wire === "plain") {
    const channel = new PlainChannel(transport, { ...setup, budget: undefined }, connect, onEnd);
    return new Client(target.text, channel, closed, descriptors);
  }
  const channel = new FramedChannel(transport, { ...setup, budget: undefined }, onEnd);
  if (isGreetingAwaited) await greeting(channel, target.text, signal);
  return new Client(target.text, channel, closed, descriptors);
}

/** @throws EarshotError `PEER_REFUSED`; then the connection is closed */
function assertAllowed(allow: Allow, transport: Transport, address: string): void {
  const refusal = refusalOf(allow, transport.credentials);
  if (refusal === undefined) return;
  transport.close();
  throw failure("PEER_REFUSED", "dial", address, `of the server there, ${refusal.text}`, { cause: refusal.cause });
}

async function greeting(channel: FramedChannel, address: string, signal: AbortSignal | undefined): Promise<void> {
  const onAbort = () => channel.cut(new EarshotError("CANCELLED", "its signal was aborted", { cause: signal?.reason }));
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await channel.greeting();
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    throw failure(error.code, "dial", address, error.message, { cause: error });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
