import { EarshotError } from "../errors.js";
import { Message } from "../message.js";
import { Assembly } from "./assembly.js";
import { MIN_PROGRESS_BYTES } from "./inbound.js";
import { type Body, Exchange, type Request, type Session, type SessionHost, type SessionLimits } from "./session.js";

const NOTHING = Buffer.alloc(0);
const EMPTY = new Message(NOTHING, 0, 0);
/** So much is written at a time. */
const PIECE_BYTES = 262_144;

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
  #state: State;
  #assembly: Assembly | undefined;
  /** What is still to be written of this side's message, and nothing before there is one. */
  #rest: Buffer | undefined;
  #isWritable = true;
  #blockedSince = Infinity;
  #isPaused = false;

  constructor(role: "client" | "server", host: SessionHost, limits: SessionLimits) {
    this.#host = host;
    this.#limits = limits;
    this.#startedAt = host.now();
    this.#state = role === "server" ? { kind: "receiving" } : { kind: "new" };
  }

  readInto(): Buffer | undefined {
    return this.#assembly?.spare(this.#limits.maxMessageBytes);
  }

  get heldBytes(): number {
    const received = this.#assembly?.length ?? 0;
    if (this.#state.kind !== "handling" || this.#rest?.length === 0) return received;
    const { message, body } = this.#state.exchange;
    return received + (message?.byteLength ?? 0) + (this.#rest?.length ?? body.length);
  }

  get isCongested(): boolean {
    return false;
  }

  get isIdle(): boolean {
    return this.#state.kind === "new" || this.#state.kind === "ended" || this.#isUntouched;
  }

  get isWaitingForPeer(): boolean {
    return this.#assembly !== undefined || !this.#isWritable;
  }

  get #isUntouched(): boolean {
    return this.#state.kind === "receiving" && this.#assembly === undefined;
  }

  receive(bytes: Buffer, descriptors?: readonly number[]): void {
    if (descriptors !== undefined) this.#host.closeDescriptors(descriptors);
    const { kind } = this.#state;
    // After its message a caller has nothing more to say, and a server nothing before the message.
    if (kind !== "receiving" && kind !== "awaiting") return;
    this.#assembly ??= new Assembly(undefined, this.#host.now());
    const limit = this.#limits.maxMessageBytes;
    if (this.#assembly.length + bytes.length <= limit) {
      this.#assembly.append(bytes, 0, bytes.length);
      return;
    }
    const error = new EarshotError("MESSAGE_TOO_LARGE", `The message has more than ${limit} bytes (maxMessageBytes)`);
    this.cut(error);
  }

  receiveEnd(): void {
    const state = this.#state;
    if (state.kind === "awaiting" && (this.#rest?.length !== 0 || !this.#isWritable)) {
      const fact = "the other side ended the connection before it had the whole message";
      this.cut(new EarshotError("CONNECTION_LOST", fact));
      return;
    }
    const message = this.#assembly?.finish();
    this.#assembly = undefined;
    if (state.kind === "awaiting") {
      this.#state = { kind: "ended" };
      state.request.state = "settled";
      state.request.onReply(message ?? EMPTY, []);
      this.#host.abort(undefined);
    } else if (state.kind === "receiving" && message !== undefined) {
      const exchange = new Exchange(1);
      exchange.message = message;
      exchange.state = "handling";
      this.#state = { kind: "handling", exchange };
      this.#host.onExchange(exchange);
    } else if (state.kind === "new") {
      this.#host.onClosing(new EarshotError("CONNECTION_CLOSED", "the server has ended the connection"));
      this.#end();
    } else if (state.kind === "receiving") this.#end();
  }

  lost(error: EarshotError): void {
    const state = this.#state;
    this.#state = { kind: "ended" };
    this.#assembly = undefined;
    if (state.kind === "handling" && state.exchange.state === "handling") {
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
      request.onFailure("UNSUPPORTED", `the plain wire cannot carry ${fact}`, "unsent");
      this.#end();
      return;
    }
    request.state = "sent";
    this.#state = { kind: "awaiting", request };
    this.#host.requestFlush();
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    if (request.state === "settled") return;
    request.state = "settled";
    this.#state = { kind: "ended" };
    request.onFailure(code, "", "unknown");
    this.#host.abort(undefined);
  }

  reply(exchange: Exchange, body: Body, descriptors: readonly number[] = []): void {
    this.#host.closeDescriptors(descriptors);
    if (descriptors.length > 0) {
      this.fail(exchange);
      return;
    }
    if (exchange.state !== "handling") return;
    exchange.state = "answered";
    exchange.body = body;
    this.#host.requestFlush();
  }

  /** This wire has no word for failure: the connection ends without a reply. */
  fail(exchange: Exchange): void {
    if (exchange.state !== "handling") return;
    exchange.state = "gone";
    this.cut(undefined);
  }

  ping(request: Request): void {
    request.state = "settled";
    request.onFailure("UNSUPPORTED", "the plain wire has no ping", "unsent");
  }

  close(): void {
    if (this.isIdle && this.#state.kind !== "ended") this.#end();
  }

  flush(): void {
    const state = this.#state;
    const item = state.kind === "awaiting" ? state.request : state.kind === "handling" ? state.exchange : undefined;
    if (item === undefined || (item.state !== "sent" && item.state !== "answered")) return;
    if (this.#rest === undefined) {
      const { body } = item;
      this.#rest =
        typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length);
      item.body = "";
    } else if (this.#rest.length === 0) return;
    this.#writeRest();
  }

  drained(): void {
    this.#isWritable = true;
    this.#blockedSince = Infinity;
    if (this.#state.kind !== "ended" && this.#rest !== undefined && this.#rest.length > 0) this.#writeRest();
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
    return Math.min(window, this.#blockedSince) + messageTimeoutMs;
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

  /** In pieces: each that leaves shows that the other side reads. */
  #writeRest(): void {
    let rest = this.#rest ?? NOTHING;
    while (this.#isWritable && rest.length > 0) {
      this.#isWritable = this.#host.write([rest.subarray(0, PIECE_BYTES)]);
      rest = rest.subarray(PIECE_BYTES);
    }
    this.#rest = rest;
    if (!this.#isWritable) this.#blockedSince = this.#host.now();
    if (rest.length === 0) this.#host.end();
  }

  #end(): void {
    this.#state = { kind: "ended" };
    this.#host.end();
  }

  cut(error: EarshotError | undefined): void {
    const state = this.#state;
    this.#state = { kind: "ended" };
    this.#assembly = undefined;
    if (state.kind === "awaiting" && error !== undefined) {
      state.request.state = "settled";
      state.request.onFailure(error.code, error.message, "unknown", { cause: error });
    }
    this.#host.abort(error);
  }
}

function impossible({ body, descriptors }: Request): string | undefined {
  if (body.length === 0) return "an empty message: it has no bytes to come";
  return descriptors.length > 0 ? "descriptors" : undefined;
}
