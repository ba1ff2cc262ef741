import { EarshotError } from "../errors.js";
import { FrameDecoder, type FrameSink, violation } from "../wire/decode.js";
import { encodeControl } from "../wire/encode.js";
import { decodeFailure, encodeFailure, type FailureName, isFailureName } from "../wire/failure.js";
import { FrameType, PING_BYTES } from "../wire/frame.js";
import type { Arena } from "./arena.js";
import { ControlReader } from "./control-reader.js";
import { agree, type Greetings, PrefaceReader } from "./handshake.js";
import { Inbound } from "./inbound.js";
import { BodyReader } from "./incoming.js";
import { Liveness, type Overdue } from "./liveness.js";
import { Outbound } from "./outbound.js";
import { Output } from "./output.js";
import { Pings } from "./pings.js";
import type { Body, Exchange, OwnApp, Request, Session, SessionHost, SessionLimits } from "./session.js";

/** So much of what only answers the other side may wait for it before nothing more is read. */
const MAX_CONTROL_WAITING_BYTES = 65_536;

export interface FramedOptions {
  readonly role: "client" | "server";
  readonly host: SessionHost;
  readonly limits: SessionLimits;
  readonly greetings: Greetings;
  readonly app: OwnApp;
  readonly arena: Arena;
  /** Why a server has no place for this connection; said when both have greeted. */
  readonly refusal?: EarshotError | undefined;
  /** Of a session on the same connection that was let go because it rested. */
  readonly memory?: FramedMemory | undefined;
}

/** All that has to be known of a connection while nothing happens on it. */
export class FramedMemory {
  /** Whether this side has greeted, and whether the other side's HELLO has come and suits. */
  hasGreeted = false;
  isGreeted = false;
  /** The highest exchange so far. */
  lastId = 0;
  /** What the other side takes; known from its HELLO on. */
  peerMaxMessageBytes: number | undefined = undefined;
  peerMaxInFlight: number | undefined = undefined;
}

/** The framed wire: routes frames to those who keep exchanges, pings and times. */
export class FramedSession implements Session, FrameSink {
  readonly wire = "framed";
  readonly #options: FramedOptions;
  readonly #host: SessionHost;
  readonly #decoder = new FrameDecoder(this);
  readonly #reader: BodyReader;
  readonly #liveness: Liveness;
  readonly #inbound: Inbound | undefined;
  readonly #outbound: Outbound | undefined;
  readonly #output: Output<Request> | Output<Exchange>;
  readonly #memory: FramedMemory;
  #preface: PrefaceReader | undefined;
  #control: ControlReader | undefined;
  #pings: Pings | undefined;
  #phase: "open" | "closing" | "ended" = "open";
  #isPaused = false;

  constructor(options: FramedOptions) {
    const { host, limits, arena, memory = new FramedMemory() } = options;
    this.#options = options;
    this.#host = host;
    this.#memory = memory;
    this.#reader = new BodyReader(limits.maxMessageBytes, host);
    this.#liveness = new Liveness(limits, host.now(), memory.isGreeted);
    if (!memory.isGreeted) this.#preface = new PrefaceReader();
    if (options.role === "client") {
      this.#outbound = new Outbound(host, this.#reader, limits.maxMessageBytes, memory, this);
      const output = new Output<Request>(arena, this.#outbound, host);
      this.#outbound.output = output;
      this.#output = output;
      this.#greet();
    } else {
      this.#inbound = new Inbound(host, limits, this.#reader, memory, this);
      this.#output = new Output<Exchange>(arena, this.#inbound, host);
    }
  }

  /** What to make the next session on this connection with, when there is nothing that this one must stay for. */
  get restingMemory(): FramedMemory | undefined {
    const isQuiet = this.#memory.isGreeted && this.#phase === "open" && this.isIdle && !this.#isPaused;
    if (this.#inbound?.isHandling === true) return undefined;
    const { isEmpty, isWritable } = this.#output;
    const rests = isQuiet && isEmpty && isWritable && this.#decoder.isAtBoundary;
    return rests && this.#options.limits.idleTimeoutMs === 0 ? this.#memory : undefined;
  }

  readInto(): Buffer | undefined {
    const { remaining } = this.#decoder;
    return remaining === 0 ? undefined : (this.#inbound ?? this.#outbound)?.readInto(remaining);
  }

  get heldBytes(): number {
    return this.#inbound?.heldBytes ?? 0;
  }

  get isCongested(): boolean {
    return this.#inbound?.isCongested === true || this.#output.controlBytes > MAX_CONTROL_WAITING_BYTES;
  }

  get isWaitingForPeer(): boolean {
    return this.#inbound?.isReceiving === true || !this.#output.isWritable;
  }

  get isIdle(): boolean {
    return (this.#inbound ?? this.#outbound)?.isIdle !== false && (this.#pings?.isEmpty ?? true);
  }

  receive(bytes: Buffer): void {
    if (this.#phase === "ended") return;
    this.#liveness.active(this.#host.now());
    this.#reader.forgetRead();
    this.#guard(() => {
      let offset = 0;
      if (this.#preface !== undefined) {
        offset = this.#preface.take(bytes);
        if (offset < 0) return;
        this.#preface = undefined;
      }
      this.#decoder.push(bytes, offset);
      this.#liveness.isMidFrame = !this.#decoder.isAtBoundary;
    });
    this.#endIfDone();
  }

  receiveEnd(): void {
    // Half-close has no meaning on this wire: who ends its direction is gone.
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#host.abort(undefined);
  }

  lost(error: EarshotError): void {
    this.#phase = "ended";
    for (const exchange of this.#inbound?.lost() ?? []) this.#host.onCallerGone(exchange, error);
    this.#outbound?.lost(error.code, error.message, error);
    for (const ping of this.#pings?.expire(Infinity) ?? []) ping.onFailure(error.code, error.message, "unsent");
  }

  send(request: Request): void {
    const limit = this.#memory.peerMaxMessageBytes ?? Infinity;
    if (request.body.length * 3 > limit && Buffer.byteLength(request.body) > limit) {
      request.state = "settled";
      const fact = `the message has ${Buffer.byteLength(request.body)} bytes, the server takes ${limit}`;
      request.onFailure("MESSAGE_TOO_LARGE", fact, "unsent");
    } else this.#outbound?.send(request);
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    if (request.state === "settled") return;
    if (this.#pings?.take(request)) request.onFailure(code, "", "unsent");
    else this.#outbound?.cancel(request, code, "");
  }

  reply(exchange: Exchange, body: Body): void {
    const limit = this.#memory.peerMaxMessageBytes ?? Infinity;
    if (body.length * 3 > limit && Buffer.byteLength(body) > limit) {
      const text = `the reply has ${Buffer.byteLength(body)} bytes, the caller takes ${limit}`;
      this.fail(exchange, "MESSAGE_TOO_LARGE", text);
      return;
    }
    if (this.#inbound?.answer(exchange, body.length) === true) {
      exchange.body = body;
      (this.#output as Output<Exchange>).push(exchange);
    }
    this.#host.requestFlush();
  }

  fail(exchange: Exchange, code: FailureName, text: string, remoteCode = ""): void {
    if (this.#inbound?.answer(exchange, 0) === true) {
      this.sendReset(exchange.id, code, text, remoteCode);
      this.#inbound.flushed(exchange);
    }
    this.#host.requestFlush();
  }

  ping(request: Request): void {
    this.#pings ??= new Pings();
    this.#sendControl(this.#pings.begin(request));
  }

  close(code: FailureName, text: string): void {
    if (this.#phase === "ended" || this.#phase === "closing") return;
    if (this.#inbound !== undefined && this.#memory.isGreeted) this.#sendGoAway(code, text);
    this.#phase = "closing";
    this.#host.requestFlush();
  }

  flush(): void {
    if (this.#phase === "ended") return;
    this.#output.flush();
    this.#liveness.blocked(!this.#output.isWritable, this.#host.now());
    this.#endIfDone();
  }

  drained(): void {
    this.#liveness.blocked(false, this.#host.now());
    this.#output.isWritable = true;
    this.flush();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(is: boolean) {
    this.#isPaused = is;
    const now = this.#host.now();
    this.#liveness.active(now);
    if (!is) this.#inbound?.resumed(now);
  }

  get nextDeadline(): number {
    if (this.#phase === "ended") return Infinity;
    const own = this.#liveness.nextDeadline(this.isIdle, this.#isPaused);
    const exchanges = this.#inbound?.nextDeadline(this.#isPaused) ?? this.#outbound?.nextDeadline ?? Infinity;
    return Math.min(own, exchanges, this.#pings?.nextDeadline ?? Infinity);
  }

  tick(now: number): void {
    if (this.#phase === "ended") return;
    for (const request of this.#outbound?.takeDue(now) ?? []) this.cancel(request, "TIMEOUT");
    for (const ping of this.#pings?.expire(now) ?? []) ping.onFailure("TIMEOUT", "", "unsent");
    this.#guard(() => {
      for (const exchange of this.#inbound?.tick(now, this.#isPaused) ?? []) {
        this.#host.onCallerGone(exchange, new EarshotError("TIMEOUT", "The caller's deadline has passed"));
      }
      const overdue = this.#liveness.overdue(now, this.isIdle, this.#isPaused);
      if (overdue === "idle") this.close("CONNECTION_CLOSED", "the connection was idle for too long");
      else if (overdue !== undefined) throw timedOut(overdue, this.#options.limits);
    });
  }

  onHeader(frame: FrameDecoder): void {
    if (!this.#memory.isGreeted && frame.type !== FrameType.HELLO && frame.type !== FrameType.GOAWAY)
      throw violation("a frame before HELLO");
    if (frame.type === FrameType.OPEN) {
      if (this.#inbound === undefined) throw violation("an exchange that the server began");
      this.#inbound.onOpen(frame, this.#phase === "closing");
    } else if (frame.type === FrameType.DATA) (this.#inbound ?? this.#outbound)?.onData(frame);
    else this.#control ??= new ControlReader();
  }

  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    if (frame.type === FrameType.OPEN || frame.type === FrameType.DATA) {
      (this.#inbound ?? this.#outbound)?.onPayload(frame, bytes, start, end);
      return;
    }
    const payload = frame.type <= FrameType.GOAWAY ? this.#control?.take(frame, bytes, start, end) : undefined;
    if (payload !== undefined) this.#onControl(frame, payload);
  }

  #onControl(frame: FrameDecoder, payload: Buffer): void {
    const isPing = frame.type === FrameType.PING || frame.type === FrameType.PONG;
    if (isPing && payload.length !== PING_BYTES) throw violation("a PING or PONG of wrong length");
    if (frame.type === FrameType.HELLO) this.#onHello(payload);
    else if (frame.type === FrameType.RESET) this.#onReset(frame.exchange, payload);
    else if (frame.type === FrameType.PING) this.#sendControl(encodeControl(FrameType.PONG, 0, payload));
    else if (frame.type === FrameType.PONG) this.#pings?.onPong(payload);
    else this.#onGoAway(frame.exchange, payload);
  }

  #onHello(payload: Buffer): void {
    if (this.#memory.isGreeted) throw violation("a second HELLO");
    const hello = this.#options.greetings.read(payload);
    this.#greet();
    agree(this.#options.app, hello);
    if (this.#options.refusal !== undefined) throw this.#options.refusal;
    this.#memory.isGreeted = true;
    this.#liveness.greeted();
    this.#memory.peerMaxMessageBytes = hello.limits.maxMessageBytes;
    this.#memory.peerMaxInFlight = hello.limits.maxInFlight;
    this.#outbound?.advance();
    this.#host.onGreeting(hello);
  }

  #onReset(id: number, payload: Buffer): void {
    const failure = decodeFailure(payload);
    this.#outbound?.onReset(id, failure);
    const exchange = this.#inbound?.onReset(id);
    if (exchange === undefined) return;
    const code = failure.code === "TIMEOUT" ? "TIMEOUT" : "CANCELLED";
    this.#host.onCallerGone(exchange, new EarshotError(code, "The caller has given up"));
  }

  #onGoAway(lastId: number, payload: Buffer): void {
    const { code, text } = decodeFailure(payload);
    const error = new EarshotError(code, text, { op: "receive" });
    this.#outbound?.refuseAfter(lastId, code, text);
    if (this.#phase === "open") this.#phase = "closing";
    this.#host.onClosing(error);
  }

  #sendControl(frame: Uint8Array): void {
    this.#output.pushControl(frame);
    this.#host.requestFlush();
  }

  sendReset(id: number, code: FailureName, text = "", remoteCode = ""): void {
    this.#sendControl(encodeFailure(FrameType.RESET, id, { code, text, remoteCode }));
  }

  #greet(): void {
    if (this.#memory.hasGreeted) return;
    this.#memory.hasGreeted = true;
    this.#sendControl(this.#options.greetings.own);
  }

  #sendGoAway(code: FailureName, text: string): void {
    this.#greet();
    const lastId = this.#inbound === undefined ? 0 : this.#memory.lastId;
    this.#sendControl(encodeFailure(FrameType.GOAWAY, lastId, { code, text, remoteCode: "" }));
  }

  /** Runs what may find that the other side broke the rules; then it is told why, and cut. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error;
      this.#sendGoAway(isFailureName(error.code) ? error.code : "CONNECTION_CLOSED", error.message);
      this.#output.flush();
      this.#phase = "ended";
      this.#host.abort(error);
    }
  }

  #endIfDone(): void {
    const { isWritable, isEmpty } = this.#output;
    if (this.#phase !== "closing" || !isWritable || !isEmpty || !this.isIdle) return;
    this.#phase = "ended";
    this.#host.end();
  }
}

function timedOut(overdue: Overdue, limits: SessionLimits): EarshotError {
  const ms = overdue === "handshake" ? limits.handshakeTimeoutMs : limits.messageTimeoutMs;
  return new EarshotError("TIMEOUT", `Cannot go on with the connection: ${overdue} for ${ms} ms`);
}
