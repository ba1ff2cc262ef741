import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import type { Body, Request } from "../session/session.js";
import type { AppInfo } from "../wire/hello.js";
import { type Chunks, isChunks, pump, type SourceError } from "./chunks.js";
import type { ClientState, Retry } from "./client-state.js";
import { type DescriptorTable, duplicateAll } from "./descriptor.js";
import { type Duplex, toDuplex } from "./duplex.js";
import type { Inflow, Writer } from "./flow.js";
import type { Line } from "./line.js";
import { checkMeta, randomId } from "./meta.js";
import { type CloseOptions, checkChoice, checkGrace, checkRetry, checkSignal, checkTimeout } from "./options.js";
import { checkBody, type Origin, Pending, type WaitOptions } from "./pending.js";
import { Repeated, type Settle } from "./repeated.js";
import type { OpenOptions, SendOptions, StreamSendOptions } from "./send-options.js";
import type { StreamedMessage } from "./streamed-message.js";
import { StreamedPending } from "./streamed-pending.js";
import { type SubscribeOptions, Subscription } from "./subscription.js";

/** What a ping found out. */
export interface Pong {
  /** There and back, in milliseconds. */
  readonly roundTripMs: number;
  /** The server's application, if it says. */
  readonly app: AppInfo | undefined;
}

/**
 * A way to one server, which outlives its connections. Whoever dialed it closes it. Until then a connection that stands keeps
 * the process alive, as any open socket does, and so do messages that wait; attempts to come back do not.
 */
export class Client implements AsyncDisposable {
  /** Where it was dialed, as `unix:/path` or `unix:@name`. */
  readonly address: string;
  /**
   * Resolves when the client is closed, with the reason; never rejects. With `reconnect: false` also when its connection is
   * lost.
   */
  readonly closed: Promise<EarshotError | undefined>;
  /** @internal what becomes of messages that say nothing else */
  readonly retry: Retry;
  readonly #line: Line;
  readonly #sends: Origin;
  readonly #maxMessageBytes: number;
  readonly #subscriptions = new Set<Subscription>();
  #isClosing = false;

  /** @internal use `dial` */
  constructor(
    address: string,
    line: Line,
    retry: Retry,
    descriptors: DescriptorTable | undefined,
    maxMessageBytes: number,
  ) {
    this.address = address;
    this.#sends = { op: "send", address, table: descriptors };
    this.#line = line;
    this.retry = retry;
    this.#maxMessageBytes = maxMessageBytes;
    this.closed = line.closed;
  }

  /** The server's application, as it said last; `undefined` before it has answered anything, or if it does not say. */
  get serverApp(): AppInfo | undefined {
    return this.#line.app;
  }

  /** Where it is with its connection now. */
  get state(): ClientState {
    return this.#line.state;
  }

  /**
   * Calls a function with each state that comes, right after it has come; `state` has the one that is there.
   *
   * @returns ends it
   */
  onState(listener: (state: ClientState) => void): () => void {
    return this.#line.listen(listener);
  }

  /** Tries to connect now, unless there is a connection; and when that fails, pauses begin with the shortest again. */
  reconnect(): void {
    this.#line.reconnect();
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
    const retry = options?.retry ?? this.retry;
    return new Promise((resolve, reject) => {
      if (retry !== false) {
        this.persist(this.#sends, checkBody(data, "this message"), { ...options, retry }, {
          resolve,
          reject,
        } as Settle);
        return;
      }
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
  open(options?: OpenOptions): Duplex {
    const { in: incoming, out } = this.flow(options);
    return toDuplex(incoming, out);
  }

  /** @internal as `open`, without web streams */
  flow(options?: OpenOptions): { readonly in: Inflow; readonly out: Writer } {
    const pending = new StreamedPending(this.#sends, undefined, true, this.#control, { resolve() {}, reject() {} });
    const { reader, writer } = pending;
    if (writer === undefined) throw new Error("a message without a body has a writer");
    this.#open(pending, options);
    return { in: reader, out: writer };
  }

  #sendStreamed(
    data: string | Uint8Array | Chunks,
    options: SendOptions | StreamSendOptions,
  ): Promise<Message | StreamedMessage> {
    return new Promise((resolve, reject) => {
      const isStreamed = checkChoice<"message" | "stream">("body", options.body, ["message", "stream"]) === "stream";
      const retry = checkRetry(options.retry ?? this.retry);
      const make = (body: Body | undefined, settle: Settle) =>
        new StreamedPending(this.#sends, body, isStreamed, this.#control, settle);
      if (!isChunks(data)) {
        const body = checkBody(data, "this message");
        if (retry === false) this.#begin(make(body, { resolve, reject }), options);
        else this.#repeat((settle) => make(body, settle), { ...options, retry }, this.#sends, { resolve, reject });
        return;
      }
      const pending = make(undefined, { resolve, reject });
      const { writer } = pending;
      if (writer === undefined) throw new Error("a message without a body has a writer");
      const begin = () => {
        pump(data, writer).catch((error: SourceError) => pending.breakOff(error.message, error.cause));
      };
      if (retry === false) {
        this.#begin(pending, options);
        begin();
      } else if (this.#prepare(pending, identified({ ...options, retry }))) this.#line.persist(pending, begin);
    });
  }

  /** @internal as `send` with a policy or an id, for who makes something else of the reply. */
  persist(origin: Origin, body: Body, options: SendOptions & { readonly retry: Retry }, settle: Settle): void {
    const make = ({ resolve, reject }: Settle) => new Pending(origin, body, resolve, reject);
    if (checkRetry(options.retry) === false) this.#begin(make(settle), options);
    else this.#repeat(make, options, origin, settle);
  }

  #repeat(
    make: (settle: Settle) => Pending,
    options: (SendOptions | StreamSendOptions) & { readonly retry: Retry },
    { table }: Origin,
    settle: Settle,
  ): void {
    const policy = checkRetry(options.retry);
    if (policy === false) throw new Error("a message is repeated only by a policy");
    const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs);
    const signal = checkSignal(options.signal);
    const metaBytes = checkMeta(identified(options));
    const descriptors = options.descriptors === undefined ? [] : duplicateAll(table, options.descriptors);
    const own = { metaBytes, descriptors, table, timeoutMs, signal, giveUp: this.#giveUp };
    new Repeated({ line: this.#line, policy, make, settle, ...own }).begin();
  }

  readonly #giveUp = (request: Request): void => this.#line.cancel(request, "CANCELLED");

  readonly #control = { cancel: this.#giveUp, stop: (request: Request) => this.#line.stop(request) };

  /** @internal a message to the other side's earshot */
  system(order: object, options: WaitOptions): Promise<Message> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(order);
      const pending = new Pending(this.#sends, body, resolve, reject);
      pending.isSystem = true;
      if (this.#limit(pending, options)) this.#line.send(pending);
    });
  }

  /** @internal as `send`, for who makes something else of the reply. */
  begin(pending: Pending, options: WaitOptions | undefined): void {
    this.#begin(pending, options);
  }

  /** @internal an exchange whose reply comes bit by bit; so does the message, where there is no body. */
  exchange(origin: Origin, body: Body | undefined, options: OpenOptions | undefined): StreamedPending {
    const pending = new StreamedPending(origin, body, true, this.#control, { resolve() {}, reject() {} });
    this.#open(pending, options);
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
      if (options === undefined || this.#limit(pending, options)) this.#line.ping(pending);
    });
    return { roundTripMs: performance.now() - startedAt, app: this.#line.app };
  }

  /**
   * Takes no new messages, ends its subscriptions, waits until all that were sent are settled, then ends. When the grace is over, or with a
   * second call, the rest is rejected with `CONNECTION_CLOSED`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const graceMs = checkGrace(options);
    const cut = () => this.#line.cut(new EarshotError("CONNECTION_CLOSED", "the client was closed", { op: "close" }));
    for (const subscription of this.#subscriptions) void subscription.return();
    if (this.#isClosing) cut();
    this.#isClosing = true;
    this.#line.close();
    const timer = graceMs === Infinity ? undefined : setTimeout(cut, graceMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** `close` with the default grace, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(pending: Pending, options: SendOptions | StreamSendOptions | undefined): void {
    if (options === undefined || this.#prepare(pending, options)) this.#line.send(pending);
  }

  /** An exchange whose message is written bit by bit: what is written before there is a connection waits for it. */
  #open(pending: Pending, options: OpenOptions | undefined): void {
    const retry = checkRetry(options?.retry ?? this.retry);
    if (options !== undefined && !this.#limit(pending, options)) return;
    if (retry === false) this.#line.send(pending);
    else this.#line.persist(pending);
  }

  /** Returns false when it was over before it began. */
  #prepare(pending: Pending, options: SendOptions | StreamSendOptions): boolean {
    if (options.id !== undefined || options.headers !== undefined) pending.metaBytes = checkMeta(options);
    if (options.descriptors !== undefined) {
      // Before anything is opened: what throws later would leave it open.
      checkTimeout("timeoutMs", options.timeoutMs);
      checkSignal(options.signal);
      pending.descriptors = duplicateAll(this.#sends.table, options.descriptors);
    }
    return this.#limit(pending, options);
  }

  /** Returns false when it was over before it began. */
  #limit(pending: Pending, { timeoutMs, signal }: WaitOptions): boolean {
    const isAborted = checkSignal(signal)?.aborted === true;
    pending.limit(checkTimeout("timeoutMs", timeoutMs), signal, this.#giveUp);
    if (isAborted) pending.onFailure("CANCELLED", "", "unsent");
    return !isAborted;
  }
}

/** What may be handled twice is known by its id. */
function identified<T extends SendOptions | StreamSendOptions>(options: T): T {
  if (options.retry !== "idempotent" || options.id !== undefined) return options;
  return { ...options, id: randomId() };
}
