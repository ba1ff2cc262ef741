import { type Delivery, EarshotError } from "../errors.js";
import { Message } from "../message.js";
import { detectWire } from "../wire/preface.js";
import type { OutgoingStream } from "./outgoing-stream.js";
import { PlainInput } from "./plain-input.js";
import { PlainOutput } from "./plain-output.js";
import { type Body, Exchange, type Request, type Session, type SessionHost, type SessionLimits } from "./session.js";

const EMPTY_MESSAGE = "an empty message: it has no bytes to come";
const EMPTY = new Message(Buffer.alloc(0), 0, 0);

/** What this side is doing: a server takes a message and answers it; a client sends one and takes the answer. */
type State =
  | { readonly kind: "receiving" }
  | { readonly kind: "handling"; readonly exchange: Exchange }
  | { readonly kind: "awaiting"; readonly request: Request }
  | { readonly kind: "new" }
  | { readonly kind: "ended" };

/** The plain wire: all bytes of a connection, until their end, are one message; all bytes back are the reply. */
export class PlainSession implements Session {
  readonly wire = "plain";
  readonly #host: SessionHost;
  readonly #limits: SessionLimits;
  readonly #startedAt: number;
  readonly #input: PlainInput;
  readonly #output: PlainOutput;
  #state: State;
  #isPaused = false;

  constructor(role: "client" | "server", host: SessionHost, limits: SessionLimits) {
    this.#host = host;
    this.#limits = limits;
    this.#startedAt = host.now();
    this.#input = new PlainInput(host, limits.maxMessageBytes, () => this.#stopReading());
    this.#output = new PlainOutput(host);
    this.#state = role === "server" ? { kind: "receiving" } : { kind: "new" };
  }

  readInto(): Buffer | undefined {
    return this.#input.readInto();
  }

  get heldBytes(): number {
    const received = this.#input.heldBytes;
    if (this.#state.kind !== "handling" || this.#output.isDone) return received;
    return received + (this.#state.exchange.message?.byteLength ?? 0) + this.#output.heldBytes;
  }

  get isCongested(): boolean {
    return this.#input.isFull;
  }

  get isIdle(): boolean {
    return this.#state.kind === "new" || this.#state.kind === "ended" || this.#isUntouched();
  }

  get isWaitingForPeer(): boolean {
    return this.#input.isCollecting || !this.#output.isWritable;
  }

  #isUntouched(): boolean {
    return this.#state.kind === "receiving" && !this.#input.isCollecting;
  }

  receive(bytes: Buffer, descriptors?: readonly number[]): void {
    if (descriptors !== undefined) this.#host.closeDescriptors(descriptors);
    const state = this.#state;
    const { stream } = this.#input;
    if (stream !== undefined) {
      if (!stream.isOver) this.#input.pass(stream, bytes);
    } else if (state.kind === "receiving" && this.#limits.takesStreams) {
      const exchange = this.#begin();
      exchange.incoming = this.#input.begin();
      this.#input.pass(exchange.incoming, bytes);
      this.#host.onExchange(exchange);
    } else if (state.kind === "awaiting" && !this.#input.isCollecting && detectWire(bytes) === "framed") {
      // What answers is no reply: nobody has handled the message.
      this.#breakOff(new EarshotError("UNSUPPORTED", "the server takes the framed wire only"), "unsent");
      this.#host.abort(undefined);
    } else if (state.kind === "awaiting" && state.request.isStreamed) {
      const incoming = this.#input.begin();
      state.request.incoming = incoming;
      this.#input.pass(incoming, bytes);
      state.request.onReplyStream(incoming, []);
    } else if (state.kind === "receiving" || state.kind === "awaiting") this.#collect(bytes);
  }

  #collect(bytes: Buffer): void {
    try {
      this.#input.collect(bytes);
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error;
      this.cut(error);
    }
  }

  receiveEnd(): void {
    const state = this.#state;
    if (state.kind === "awaiting" && (!this.#output.isDone || !this.#output.isWritable)) {
      this.cut(new EarshotError("CONNECTION_LOST", "the other side ended before it had the whole message"));
      return;
    }
    const message = this.#input.end();
    if (state.kind === "awaiting") {
      this.#state = { kind: "ended" };
      state.request.state = "settled";
      if (this.#input.stream === undefined) state.request.onReply(message ?? EMPTY, []);
      state.request.onOver();
      this.#host.abort(undefined);
    } else if (state.kind === "receiving" && message !== undefined) {
      const exchange = this.#begin();
      exchange.message = message;
      this.#host.onExchange(exchange);
    } else if (state.kind === "new") {
      this.#host.onClosing(new EarshotError("CONNECTION_CLOSED", "the server has ended the connection"));
      this.#finish();
    } else if (state.kind === "receiving") this.#finish();
  }

  #begin(): Exchange {
    const exchange = new Exchange(1);
    exchange.state = "handling";
    this.#state = { kind: "handling", exchange };
    return exchange;
  }

  lost(error: EarshotError): void {
    this.#breakOff(error);
  }

  /** Nothing more comes or goes; those who wait for it are told why. */
  #breakOff(error: EarshotError, delivery: Delivery = "unknown"): void {
    const state = this.#state;
    const { isRead } = this.#input;
    this.#state = { kind: "ended" };
    this.#input.close();
    this.#output.discard();
    if (state.kind === "awaiting") {
      state.request.state = "settled";
      state.request.onFailure(error.code, error.message, delivery, { cause: error });
    } else if (state.kind === "handling") {
      const isAwaited = state.exchange.state === "handling" || state.exchange.state === "replying";
      if (isAwaited) state.exchange.state = "gone";
      if (isAwaited || isRead) this.#host.onCallerGone(state.exchange, error);
    }
  }

  send(request: Request): void {
    if (this.#state.kind !== "new") throw new Error("a plain connection carries one message");
    const fact = impossible(request);
    if (fact !== undefined) {
      this.#refuse(request, fact);
      return;
    }
    request.state = "sent";
    this.#state = { kind: "awaiting", request };
    this.#output.begin(request);
    this.#host.requestFlush();
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    if (request.state === "settled") return;
    request.state = "settled";
    this.#state = { kind: "ended" };
    this.#input.close();
    this.#output.discard();
    request.onFailure(code, "", "unknown");
    this.#host.abort(undefined);
  }

  stop(request: Request): void {
    this.cancel(request, "CANCELLED");
  }

  reply(exchange: Exchange, body: Body, descriptors: readonly number[] = []): void {
    this.#host.closeDescriptors(descriptors);
    if (descriptors.length > 0) this.fail(exchange);
    if (exchange.state !== "handling") return;
    exchange.state = "answered";
    exchange.body = body;
    this.#output.begin(exchange);
    this.#host.requestFlush();
  }

  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[] = []): void {
    this.#host.closeDescriptors(descriptors);
    if (descriptors.length > 0) this.fail(exchange);
    if (exchange.state !== "handling") {
      outgoing.discard();
      return;
    }
    exchange.state = "replying";
    exchange.outgoing = outgoing;
    this.#output.begin(exchange);
    this.#host.requestFlush();
  }

  endReply(exchange: Exchange): void {
    exchange.outgoing?.end();
    this.#host.requestFlush();
  }

  /** This wire has no word for failure: the connection ends without a reply. */
  fail(exchange: Exchange): void {
    if (exchange.state !== "handling" && exchange.state !== "replying") return;
    exchange.state = "gone";
    this.#state = { kind: "ended" };
    this.#input.close();
    this.#output.discard();
    this.#host.abort(undefined);
  }

  ping(request: Request): void {
    request.state = "settled";
    request.onFailure("UNSUPPORTED", "the plain wire has no ping", "unsent");
  }

  close(): void {
    if (this.isIdle && this.#state.kind !== "ended") this.#finish();
  }

  /** @param fact what the wire cannot carry */
  #refuse(request: Request, fact: string): void {
    request.state = "settled";
    this.#host.closeDescriptors(request.descriptors);
    request.descriptors = [];
    request.outgoing?.discard();
    request.onFailure("UNSUPPORTED", `the plain wire cannot carry ${fact}`, "unsent");
    this.#finish();
  }

  flush(): void {
    const state = this.#state;
    if (state.kind === "awaiting" && isEmpty(state.request)) {
      this.#refuse(state.request, EMPTY_MESSAGE);
      return;
    }
    if (state.kind !== "ended") this.#output.flush();
    if (state.kind === "handling" && this.#output.isDone) state.exchange.state = "answered";
  }

  drained(): void {
    if (this.#state.kind !== "ended") this.#output.drained();
  }

  paused(is: boolean): void {
    this.#isPaused = is;
    if (!is) this.#input.restartWindow();
  }

  get nextDeadline(): number {
    const { handshakeTimeoutMs, messageTimeoutMs } = this.#limits;
    const state = this.#state;
    if (state.kind === "ended") return Infinity;
    if (state.kind === "awaiting") return state.request.deadlineAt;
    if (this.#isUntouched()) return handshakeTimeoutMs > 0 ? this.#startedAt + handshakeTimeoutMs : Infinity;
    if (messageTimeoutMs === 0) return Infinity;
    const window = this.#isPaused ? Infinity : this.#input.windowStart;
    return Math.min(window, this.#output.blockedSince) + messageTimeoutMs;
  }

  tick(now: number): void {
    const state = this.#state;
    if (now < this.nextDeadline) return;
    if (state.kind === "awaiting") {
      this.cancel(state.request, "TIMEOUT");
      return;
    }
    if (this.#input.hasProgressed(now)) return;
    const what = this.#input.isCollecting ? "the message does not go on" : "the reply is not read";
    const fact = this.#isUntouched() ? "nothing came" : what;
    this.cut(new EarshotError("TIMEOUT", `Cannot go on with the connection: ${fact}`));
  }

  /** This wire has no word for it: a server skips what comes, a client hangs up. */
  #stopReading(): void {
    if (this.#state.kind === "awaiting") this.cancel(this.#state.request, "CANCELLED");
  }

  #finish(): void {
    this.#state = { kind: "ended" };
    this.#host.end();
  }

  cut(error: EarshotError): void {
    this.#breakOff(error);
    this.#host.abort(error);
  }
}

function impossible({ body, descriptors, outgoing }: Request): string | undefined {
  if (body.length === 0 && outgoing === undefined) return EMPTY_MESSAGE;
  return descriptors.length > 0 ? "descriptors" : undefined;
}

/** A stream that has ended without a byte. */
function isEmpty({ outgoing, sentBytes }: Request): boolean {
  return outgoing?.hasEnded === true && outgoing.queuedBytes === 0 && sentBytes === 0;
}
