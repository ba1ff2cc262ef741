import { EarshotError } from "../errors.js";
import type { Descriptor, Message } from "../message.js";
import type { Body, Request } from "../session/session.js";
import type { AppInfo } from "../wire/hello.js";
import type { Channel } from "./channel.js";
import { type Chunks, isChunks, pump, type SourceError } from "./chunks.js";
import { type DescriptorTable, duplicateAll } from "./descriptor.js";
import { type Duplex, toDuplex } from "./duplex.js";
import type { Inflow, Writer } from "./flow.js";
import { type CloseOptions, checkChoice, checkGrace, checkSignal, checkTimeout } from "./options.js";
import { checkBody, type Origin, Pending, type WaitOptions } from "./pending.js";
import type { StreamedMessage } from "./streamed-message.js";
import { StreamedPending } from "./streamed-pending.js";
import { type SubscribeOptions, Subscription } from "./subscription.js";

/** For one message. All of them may be left out. */
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
  readonly #maxMessageBytes: number;
  readonly #subscriptions = new Set<Subscription>();
  #isClosing = false;

  /** @internal use `dial` */
  constructor(
    address: string,
    channel: Channel,
    closed: Promise<EarshotError | undefined>,
    descriptors: DescriptorTable | undefined,
    maxMessageBytes: number,
  ) {
    this.address = address;
    this.#sends = { op: "send", address, table: descriptors };
    this.#channel = channel;
    this.#maxMessageBytes = maxMessageBytes;
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

  /**
   * The messages that the server publishes on all topics that a pattern means, from now on; `for await` reads them.
   *
   * @param pattern a topic, where `*` stands for any one token and a `>` at the end for one or more: `jobs.*.done`, `jobs.>`
   * @throws EarshotError `INVALID_ARGUMENT`; the rest is told to who reads: `UNSUPPORTED` (an older server, or the plain
   * wire), `PEER_REFUSED`, `OVERLOADED`, `CONNECTION_LOST`, ...
   * @example
   * for await (const message of client.subscribe("jobs.>")) console.log(message.topic, message.json());
   */
  subscribe(pattern: string, options: SubscribeOptions = {}): Subscription {
    const { address, table } = this.#sends;
    return new Subscription(pattern, options, {
      address,
      maxMessageBytes: this.#maxMessageBytes,
      open: this.#subscriptions,
      make: (order) => {
        const origin: Origin = { op: "subscribe", address, table };
        const pending = new StreamedPending(origin, order, true, this.#control, { resolve() {}, reject() {} });
        pending.isSystem = true;
        return pending;
      },
      start: (pending, signal) => this.#begin(pending, { signal }),
    });
  }

  /**
   * Asks for a sign of life; the server answers it without its handler.
   *
   * @throws EarshotError `UNSUPPORTED` on the plain wire, which has no word for it; and as `send`
   */
  async ping(options?: WaitOptions): Promise<Pong> {
    const startedAt = performance.now();
    await new Promise<Message>((resolve, reject) => {
      const pending = new Pending({ ...this.#sends, op: "ping" }, "", resolve, reject);
      if (options === undefined || this.#limit(pending, options)) this.#channel.ping(pending);
    });
    return { roundTripMs: performance.now() - startedAt, app: this.#channel.app };
  }

  /**
   * Takes no new messages, ends its subscriptions, waits until all that were sent are settled, then ends. When the grace is over, or with a
   * second call, the rest is rejected with `CONNECTION_CLOSED`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const graceMs = checkGrace(options);
    const cut = () =>
      this.#channel.cut(new EarshotError("CONNECTION_CLOSED", "the client was closed", { op: "close" }));
    for (const subscription of this.#subscriptions) void subscription.return();
    if (this.#isClosing) cut();
    this.#isClosing = true;
    this.#channel.close();
    const timer = graceMs === Infinity ? undefined : setTimeout(cut, graceMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** `close` with the default grace, for `await using`. */
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
