import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import type { AppInfo } from "../wire/hello.js";
import { type Chunks, isChunks } from "./chunks.js";
import type { ClientState, Retry } from "./client-state.js";
import type { DescriptorTable } from "./descriptor.js";
import { type Duplex, toDuplex } from "./duplex.js";
import type { Inflow, Writer } from "./flow.js";
import type { Line } from "./line.js";
import { checkLoan, Loan } from "./loan.js";
import { type CloseOptions, checkGrace } from "./options.js";
import { checkBody, type Origin, Pending, type WaitOptions } from "./pending.js";
import type { Settle } from "./repeated.js";
import type { OpenOptions, SendOptions, StreamSendOptions } from "./send-options.js";
import { Sender } from "./sender.js";
import type { StreamedMessage } from "./streamed-message.js";
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
  /** @internal for who makes something else of replies */
  readonly sender: Sender;
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
    this.sender = new Sender(line, this.#sends, retry);
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

  /** @internal connects as soon as the server is there, also with nothing to send; once. Keeps no process alive. */
  comeBack(): void {
    this.#line.comeBack();
  }

  /**
   * Sends a message and resolves with the reply when the other side's handler has finished with it. Text goes as UTF-8.
   * Bytes must stay unchanged until then: large ones are not copied. A message of any size need not be in memory: an async
   * iterable or a web stream is read as fast as the other side takes it. A loan is not copied, and is the other side's from
   * now on.
   *
   * @throws EarshotError `HANDLER_FAILED`, `CONNECTION_LOST`, `TIMEOUT`, `CANCELLED`, `MESSAGE_TOO_LARGE`, ...; its
   * `delivery` tells whether the message may have been handled.
   */
  send(data: string | Uint8Array | Chunks | Loan, options?: SendOptions): Promise<Message>;
  /** The same; the reply is a stream, and this resolves when its first bytes have come. */
  send(data: string | Uint8Array | Chunks | Loan, options: StreamSendOptions): Promise<StreamedMessage>;
  send(
    data: string | Uint8Array | Chunks | Loan,
    options?: SendOptions | StreamSendOptions,
  ): Promise<Message | StreamedMessage> {
    if (options?.body !== undefined || isChunks(data) || data instanceof Loan)
      return this.sender.stream(data, options ?? {});
    const retry = options?.retry ?? this.sender.retry;
    return new Promise((resolve, reject) => {
      if (retry !== false) {
        const settle = { resolve, reject } as Settle;
        this.sender.persist(this.#sends, checkBody(data, "this message"), { ...options, retry }, settle);
        return;
      }
      const pending = new Pending(this.#sends, checkBody(data, "this message"), resolve, reject);
      this.sender.begin(pending, options);
    });
  }

  /**
   * Memory for one message, which the server reads where it is: large messages cost no more than small ones. Where the server
   * does not see this side's memory (see the guide, "Shared memory"), where there is no connection now, and where there is no place
   * for another (`shared.maxBytes`, 64 on a connection), it is ordinary memory.
   *
   * @param bytes of the message, exactly
   * @throws EarshotError `INVALID_ARGUMENT`
   * @example
   * const loan = await client.loan(1_048_576);
   * loan.bytes.fill(7);
   * await client.send(loan);
   */
  async loan(bytes: number): Promise<Loan> {
    const size = checkLoan(bytes);
    return this.#line.channel?.loan(size) ?? new Loan(size, undefined);
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
    const { reader, writer } = this.sender.exchange(this.#sends, undefined, options);
    if (writer === undefined) throw new Error("a message without a body has a writer");
    return { in: reader, out: writer };
  }

  /** @internal a message to the other side's earshot */
  system(order: object, options: WaitOptions): Promise<Message> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(order);
      const pending = new Pending(this.#sends, body, resolve, reject);
      pending.isSystem = true;
      if (this.sender.limit(pending, options)) this.#line.send(pending);
    });
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
    return new Subscription(pattern, options, {
      origin: { ...this.#sends, op: "subscribe" },
      maxMessageBytes: this.#maxMessageBytes,
      open: this.#subscriptions,
      sender: this.sender,
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
      if (options === undefined || this.sender.limit(pending, options)) this.#line.ping(pending);
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
}
