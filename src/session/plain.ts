import { EarshotError } from "../errors.js";
import { Message } from "../message.js";
import { Assembly } from "./assembly.js";
import { type IncomingOwner, IncomingStream } from "./incoming-stream.js";
import type { OutgoingStream } from "./outgoing-stream.js";
import { PlainOutput } from "./plain-output.js";
import { MIN_PROGRESS_BYTES } from "./progress.js";
import { type Body, Exchange, type Request, type Session, type SessionHost, type SessionLimits } from "./session.js";

const EMPTY = new Message(Buffer.alloc(0), 0, 0);
/** With so much of a stream unread nothing more is read. */
const FULL_BYTES = 524_288;
/** A stream is read straight into memory of this size, until less than a quarter is left. */
const READ_BYTES = 65_536;

/** What this side is doing: a server takes a message and answers it; a client sends one and takes the answer. */
type State =
  | { readonly kind: "receiving" }
  | { readonly kind: "handling"; readonly exchange: Exchange }
  | { readonly kind: "awaiting"; readonly request: Request }
  | { readonly kind: "new" }
  | { readonly kind: "ended" };

/** The plain wire: all bytes of a connection, until their end, are one message; all bytes back are the reply. */
export class PlainSession implements Session, IncomingOwner {
  readonly wire = "plain";
  readonly #host: SessionHost;
  readonly #limits: SessionLimits;
  readonly #startedAt: number;
  readonly #output: PlainOutput;
  #state: State;
  /** What comes in is collected here, or handed on as a stream. */
  #assembly: Assembly | undefined;
  #incoming: IncomingStream | undefined;
  #spare: Buffer | undefined;
  #isPaused = false;

  constructor(role: "client" | "server", host: SessionHost, limits: SessionLimits) {
    this.#host = host;
    this.#limits = limits;
    this.#startedAt = host.now();
    this.#output = new PlainOutput(host);
    this.#state = role === "server" ? { kind: "receiving" } : { kind: "new" };
  }

  readInto(): Buffer | undefined {
    if (this.#incoming === undefined) return this.#assembly?.spare(this.#limits.maxMessageBytes);
    if (this.#incoming.isOver || this.#incoming.isStopped) return undefined;
    this.#spare ??= Buffer.allocUnsafeSlow(READ_BYTES);
    return this.#spare;
  }

  get heldBytes(): number {
    const received = (this.#assembly?.length ?? 0) + (this.#incoming?.bufferedBytes ?? 0);
    if (this.#state.kind !== "handling" || this.#output.isDone) return received;
    const { message, body } = this.#state.exchange;
    return received + (message?.byteLength ?? 0) + body.length + this.#output.heldBytes;
  }

  get isCongested(): boolean {
    return (this.#incoming?.bufferedBytes ?? 0) >= FULL_BYTES;
  }

  get isIdle(): boolean {
    return this.#state.kind === "new" || this.#state.kind === "ended" || this.#isUntouched;
  }

  get isWaitingForPeer(): boolean {
    return this.#assembly !== undefined || !this.#output.isWritable;
  }

  get #isUntouched(): boolean {
    return this.#state.kind === "receiving" && this.#assembly === undefined;
  }

  receive(bytes: Buffer, descriptors?: readonly number[]): void {
    if (descriptors !== undefined) this.#host.closeDescriptors(descriptors);
    const state = this.#state;
    if (this.#incoming !== undefined) this.#pass(this.#incoming, bytes);
    else if (state.kind === "receiving" && this.#limits.takesStreams) {
      const exchange = this.#begin();
      exchange.incoming = this.#incoming = new IncomingStream(this, 1, Infinity, undefined);
      this.#pass(this.#incoming, bytes);
      this.#host.onExchange(exchange);
    } else if (state.kind === "awaiting" && state.request.isStreamed) {
      state.request.incoming = this.#incoming = new IncomingStream(this, 1, Infinity, undefined);
      this.#pass(this.#incoming, bytes);
      state.request.onReplyStream(this.#incoming, []);
    } else if (state.kind === "receiving" || state.kind === "awaiting") this.#collect(bytes);
  }

  #pass(incoming: IncomingStream, bytes: Buffer): void {
    const spare = this.#spare;
    if (spare === undefined || bytes.buffer !== spare.buffer) {
      incoming.give(Buffer.from(bytes));
      return;
    }
    incoming.give(bytes);
    this.#spare = (spare.length - bytes.length) * 4 < READ_BYTES ? undefined : spare.subarray(bytes.length);
  }

  #collect(bytes: Buffer): void {
    this.#assembly ??= new Assembly(undefined, this.#host.now());
    const limit = this.#limits.maxMessageBytes;
    if (this.#assembly.length + bytes.length <= limit) {
      this.#assembly.append(bytes, 0, bytes.length);
      return;
    }
    this.cut(new EarshotError("MESSAGE_TOO_LARGE", `The message has more than ${limit} bytes (maxMessageBytes)`));
  }

  receiveEnd(): void {
    const state = this.#state;
    if (state.kind === "awaiting" && (!this.#output.isDone || !this.#output.isWritable)) {
      this.cut(new EarshotError("CONNECTION_LOST", "the other side ended before it had the whole message"));
      return;
    }
    const message = this.#assembly?.finish();
    this.#assembly = undefined;
    this.#incoming?.end();
    if (state.kind === "awaiting") {
      this.#state = { kind: "ended" };
      state.request.state = "settled";
      if (this.#incoming === undefined) state.request.onReply(message ?? EMPTY, []);
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
    const state = this.#state;
    this.#close();
    if (state.kind === "handling" && (state.exchange.state === "handling" || state.exchange.state === "replying")) {
      state.exchange.state = "gone";
      this.#host.onCallerGone(state.exchange, error);
    } else if (state.kind === "awaiting") {
      state.request.state = "settled";
      state.request.onFailure(error.code, error.message, "unknown", { cause: error });
    }
  }

  send(request: Request): void {
    if (this.#state.kind !== "new") throw new Error("a plain connection carries one message");
    const fact = impossible(request);
    if (fact !== undefined) {
      request.state = "settled";
      this.#host.closeDescriptors(request.descriptors);
      request.descriptors = [];
      request.outgoing?.discard();
      request.onFailure("UNSUPPORTED", `the plain wire cannot carry ${fact}`, "unsent");
      this.#finish();
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
    this.#close();
    request.onFailure(code, "", "unknown");
    this.#host.abort(undefined);
  }

  stop(request: Request): void {
    this.cancel(request, "CANCELLED");
  }

  reply(exchange: Exchange, body: Body, descriptors: readonly number[] = []): void {
    this.#host.closeDescriptors(descriptors);
    if (descriptors.length > 0) this.fail(exchange);
    else if (exchange.state === "handling") {
      exchange.state = "answered";
      exchange.body = body;
      this.#host.requestFlush();
    }
  }

  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[] = []): void {
    this.#host.closeDescriptors(descriptors);
    if (descriptors.length > 0) this.fail(exchange);
    if (exchange.state === "handling") {
      exchange.state = "replying";
      exchange.outgoing = outgoing;
      this.#host.requestFlush();
    } else outgoing.discard();
  }

  endReply(exchange: Exchange): void {
    exchange.outgoing?.end();
    this.#host.requestFlush();
  }

  /** This wire has no word for failure: the connection ends without a reply. */
  fail(exchange: Exchange): void {
    if (exchange.state !== "handling" && exchange.state !== "replying") return;
    exchange.state = "gone";
    this.cut(undefined);
  }

  ping(request: Request): void {
    request.state = "settled";
    request.onFailure("UNSUPPORTED", "the plain wire has no ping", "unsent");
  }

  close(): void {
    if (this.isIdle && this.#state.kind !== "ended") this.#finish();
  }

  flush(): void {
    const state = this.#state;
    if (state.kind === "handling" && !this.#output.hasBegun) {
      if (state.exchange.state !== "answered" && state.exchange.state !== "replying") return;
      this.#output.begin(state.exchange);
    }
    if (state.kind !== "ended") this.#output.flush();
    if (state.kind === "handling" && this.#output.isDone) state.exchange.state = "answered";
  }

  drained(): void {
    if (this.#state.kind !== "ended") this.#output.drained();
  }

  paused(is: boolean): void {
    this.#isPaused = is;
    if (!is && this.#assembly !== undefined) this.#assembly.windowStart = this.#host.now();
  }

  get nextDeadline(): number {
    const { handshakeTimeoutMs, messageTimeoutMs } = this.#limits;
    const state = this.#state;
    if (state.kind === "ended") return Infinity;
    if (state.kind === "awaiting") return state.request.deadlineAt;
    if (this.#isUntouched) return handshakeTimeoutMs > 0 ? this.#startedAt + handshakeTimeoutMs : Infinity;
    if (messageTimeoutMs === 0) return Infinity;
    const window = this.#isPaused ? Infinity : (this.#assembly?.windowStart ?? Infinity);
    return Math.min(window, this.#output.blockedSince) + messageTimeoutMs;
  }

  tick(now: number): void {
    const state = this.#state;
    if (now < this.nextDeadline) return;
    if (state.kind === "awaiting") {
      this.cancel(state.request, "TIMEOUT");
      return;
    }
    const assembly = this.#assembly;
    if (assembly !== undefined && assembly.windowBytes >= MIN_PROGRESS_BYTES) {
      assembly.windowStart = now;
      assembly.windowBytes = 0;
      return;
    }
    const fact = this.#isUntouched ? "nothing came" : assembly ? "the message does not go on" : "the reply is not read";
    this.cut(new EarshotError("TIMEOUT", `Cannot go on with the connection: ${fact}`));
  }

  onHeld(): void {}

  /** What is held has changed, and with it whether more is read. */
  onRead(): void {
    this.#host.requestFlush();
  }

  /** This wire has no word for it: a server skips what comes, a client hangs up. */
  onStop(): void {
    if (this.#state.kind === "awaiting") this.cancel(this.#state.request, "CANCELLED");
  }

  #finish(): void {
    this.#state = { kind: "ended" };
    this.#host.end();
  }

  #close(): void {
    this.#state = { kind: "ended" };
    this.#assembly = undefined;
    this.#incoming?.close();
    this.#output.discard();
  }

  cut(error: EarshotError | undefined): void {
    const state = this.#state;
    this.#close();
    if (state.kind === "awaiting" && error !== undefined) {
      state.request.state = "settled";
      state.request.onFailure(error.code, error.message, "unknown", { cause: error });
    }
    this.#host.abort(error);
  }
}

function impossible({ body, descriptors, outgoing }: Request): string | undefined {
  if (body.length === 0 && outgoing === undefined) return "an empty message: it has no bytes to come";
  return descriptors.length > 0 ? "descriptors" : undefined;
}
