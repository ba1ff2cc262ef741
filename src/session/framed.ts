import { EarshotError } from "../errors.js";
import { FrameDecoder, type FrameSink, violation } from "../wire/decode.js";
import { type FailureName, isFailureName } from "../wire/failure.js";
import { FIRST_OPTIONAL_TYPE, Flag, FrameType } from "../wire/frame.js";
import type { Lane } from "../wire/lane.js";
import type { Answers } from "./answers.js";
import { Control, type ControlOwner } from "./control.js";
import { ControlReader } from "./control-reader.js";
import { ControlWriter } from "./control-writer.js";
import { DescriptorQueue } from "./descriptors.js";
import { FramedMemory, type FramedOptions } from "./framed-options.js";
import { makeSides } from "./framed-sides.js";
import { PrefaceReader } from "./handshake.js";
import type { Inbound } from "./inbound.js";
import { BodyReader } from "./incoming.js";
import { Liveness, timedOut } from "./liveness.js";
import type { Outbound } from "./outbound.js";
import type { OutgoingStream } from "./outgoing-stream.js";
import type { Output } from "./output.js";
import type { Body, Exchange, Outgoing, Request, Session, SessionHost } from "./session.js";
import { Streams } from "./streams.js";

/** So much of what only answers the other side may wait for it before nothing more is read. */
const MAX_CONTROL_WAITING_BYTES = 65_536;

/** The framed wire: routes frames to those who keep exchanges, pings and times. */
export class FramedSession implements Session, FrameSink, ControlOwner {
  readonly wire = "framed";
  readonly #options: FramedOptions;
  readonly #host: SessionHost;
  readonly #decoder = new FrameDecoder(this);
  readonly #reader: BodyReader;
  readonly #liveness: Liveness;
  readonly #inbound: Inbound | undefined;
  readonly #outbound: Outbound | undefined;
  readonly #answers: Answers | undefined;
  readonly #output: Output<Outgoing>;
  readonly #memory: FramedMemory;
  readonly #writer: ControlWriter;
  readonly #descriptors: DescriptorQueue;
  readonly #streams: Streams;
  #preface: PrefaceReader | undefined;
  readonly #control: Control;
  readonly #controlReader: ControlReader;
  #phase: "open" | "closing" | "ended" = "open";
  #isPaused = false;

  constructor(options: FramedOptions) {
    const { host, limits, memory = new FramedMemory() } = options;
    this.#options = options;
    this.#host = host;
    this.#memory = memory;
    this.#writer = new ControlWriter(host, memory, options.greetings);
    this.#streams = new Streams(this.#writer, host);
    this.#liveness = new Liveness(limits, host.now(), memory.isGreeted);
    this.#descriptors = new DescriptorQueue(limits.maxDescriptors);
    if (!memory.isGreeted) this.#preface = new PrefaceReader();
    this.#reader = new BodyReader(limits.maxMessageBytes, host, this.#streams, memory, options.bodies);
    const exchanges = { host, limits, memory, reader: this.#reader, writer: this.#writer, streams: this.#streams };
    const sides = makeSides(options, exchanges);
    this.#inbound = sides.inbound;
    this.#outbound = sides.outbound;
    this.#answers = sides.answers;
    this.#output = sides.output;
    this.#writer.output = this.#output;
    this.#control = new Control(options, memory, this.#writer, sides, this);
    this.#controlReader = new ControlReader(this.#control);
    if (options.role === "client") this.#writer.sendGreeting();
  }

  /** What to make the next session on this connection with, when there is nothing that this one must stay for. */
  get restingMemory(): FramedMemory | undefined {
    if (!this.#memory.isGreeted || this.#phase !== "open" || !this.isIdle || this.#isPaused) return undefined;
    if (this.#inbound?.exchanges.isHandling === true || this.#streams.heldBytes > 0) return undefined;
    const rests = this.#output.isEmpty && this.#output.isWritable && this.#decoder.isAtBoundary;
    return rests && this.#options.limits.idleTimeoutMs === 0 ? this.#memory : undefined;
  }

  readInto(): Buffer | undefined {
    const { remaining } = this.#decoder;
    return remaining === 0 ? undefined : (this.#inbound ?? this.#outbound)?.readInto(remaining);
  }

  get heldBytes(): number {
    return (this.#inbound?.heldBytes ?? 0) + this.#streams.heldBytes;
  }

  get isCongested(): boolean {
    return this.#inbound?.exchanges.isCongested === true || this.#output.controlBytes > MAX_CONTROL_WAITING_BYTES;
  }

  get isWaitingForPeer(): boolean {
    return this.#inbound?.isReceiving === true || !this.#output.isWritable;
  }

  get isIdle(): boolean {
    // A LANE that has not left may hold descriptors.
    if ((this.#inbound ?? this.#outbound)?.isIdle === false || this.#writer.hasLanes) return false;
    return this.#descriptors.isEmpty && (this.#control.pings?.isEmpty ?? true);
  }

  receive(bytes: Buffer, descriptors?: readonly number[]): void {
    if (this.#phase === "ended") {
      if (descriptors !== undefined) this.#host.closeDescriptors(descriptors);
      return;
    }
    if (descriptors !== undefined) this.#descriptors.push(descriptors);
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
      this.#descriptors.assertClaimed(this.#decoder.isAtBoundary);
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
    this.#host.closeDescriptors([...this.#descriptors.clear(), ...this.#writer.dropLanes()]);
    for (const exchange of this.#inbound?.lost() ?? []) this.#host.onCallerGone(exchange, error);
    this.#outbound?.lost(error.code, error.message, error);
    for (const ping of this.#control.pings?.expire(Infinity) ?? []) ping.onFailure(error.code, error.message, "unsent");
  }

  send(request: Request): void {
    this.#outbound?.send(request);
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    if (request.state === "settled") return;
    if (this.#control.pings?.take(request)) request.onFailure(code, "", "unsent");
    else this.#outbound?.cancel(request, code);
  }

  stop(request: Request): void {
    this.#outbound?.stop(request);
  }

  reply(exchange: Exchange, body: Body, descriptors: readonly number[] = []): void {
    this.#answers?.reply(exchange, body, descriptors);
  }

  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[] = []): void {
    this.#answers?.stream(exchange, outgoing, descriptors);
  }

  endReply(exchange: Exchange): void {
    this.#answers?.endStream(exchange);
  }

  fail(exchange: Exchange, code: FailureName, text: string, remoteCode = ""): void {
    this.#answers?.fail(exchange, code, text, remoteCode);
  }

  ping(request: Request): void {
    this.#control.ping(request);
  }

  close(code: FailureName, text: string): void {
    if (this.#phase !== "open") return;
    if (this.#inbound !== undefined && this.#memory.isGreeted) this.#writer.sendGoAway(this.#memory.lastId, code, text);
    this.#phase = "closing";
    this.#host.requestFlush();
  }

  flush(): void {
    if (this.#phase === "ended") return;
    this.#writer.flushLanes();
    if (this.#memory.loans !== undefined) this.#writer.sendSlabs(this.#memory.loans);
    this.#output.flush();
    this.#liveness.flushed(!this.#output.isWritable, this.isIdle, this.#host.now());
    this.#endIfDone();
  }

  drained(): void {
    this.#liveness.blocked(false, this.#host.now());
    this.#output.isWritable = true;
    this.flush();
  }

  paused(is: boolean): void {
    this.#isPaused = is;
    const now = this.#host.now();
    this.#liveness.active(now);
    if (!is) this.#inbound?.resumed(now);
  }

  get nextDeadline(): number {
    if (this.#phase === "ended") return Infinity;
    const own = this.#liveness.nextDeadline(this.isIdle, this.#isPaused);
    const exchanges = this.#inbound?.nextDeadline(this.#isPaused) ?? this.#outbound?.nextDeadline ?? Infinity;
    return Math.min(own, exchanges, this.#control.pings?.nextDeadline ?? Infinity);
  }

  tick(now: number): void {
    if (this.#phase === "ended") return;
    for (const request of this.#outbound?.takeDue(now) ?? []) this.cancel(request, "TIMEOUT");
    for (const ping of this.#control.pings?.expire(now) ?? []) ping.onFailure("TIMEOUT", "", "unsent");
    this.#guard(() => {
      for (const exchange of this.#inbound?.tick(now, this.#isPaused) ?? []) {
        this.#host.onCallerGone(exchange, new EarshotError("TIMEOUT", "The caller's deadline has passed"));
      }
      const overdue = this.#liveness.overdue(now, this.isIdle, this.#isPaused);
      if (overdue === "idle") this.close("CONNECTION_CLOSED", "the connection was idle for too long");
      else if (overdue !== undefined) throw timedOut(overdue, this.#options.limits);
    });
  }

  onWhole(frame: FrameDecoder, bytes: Buffer, start: number, end: number): boolean {
    const { isGreeted, isSystemOnly, loans } = this.#memory;
    if (!isGreeted || isSystemOnly || this.#phase === "closing" || loans?.borrowing.announced !== undefined)
      return false;
    return (this.#inbound ?? this.#outbound)?.takeWhole(frame, bytes, start, end) === true;
  }

  onHeader(frame: FrameDecoder): void {
    const isFirst = frame.type === FrameType.HELLO || frame.type === FrameType.GOAWAY;
    if (!isFirst && !this.#memory.isGreeted) throw violation("a frame before HELLO");
    const isMessage = frame.type === FrameType.OPEN || frame.type === FrameType.DATA;
    if (isMessage) this.#memory.loans?.borrowing.assertExpected(frame.exchange);
    if (frame.type === FrameType.OPEN) {
      if (this.#inbound === undefined) throw violation("an exchange that the server began");
      if (this.#memory.isSystemOnly && (frame.flags & Flag.SYSTEM) === 0) throw violation("a message without SYSTEM");
      this.#inbound.onOpen(frame, this.#phase === "closing", this.#descriptors);
    } else if (frame.type === FrameType.DATA) {
      if (this.#inbound === undefined) this.#outbound?.onData(frame, this.#descriptors);
      else this.#inbound.onData(frame);
    }
  }

  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    const isMessage = frame.type === FrameType.OPEN || frame.type === FrameType.DATA;
    if (isMessage) {
      (this.#inbound ?? this.#outbound)?.onPayload(frame, bytes, start, end);
      if (frame.remaining === 0) this.#memory.loans?.borrowing.dropAnnounced();
    } else if (frame.type < FIRST_OPTIONAL_TYPE) this.#controlReader.take(frame, bytes, start, end);
  }

  /** Whether a LANE may be sent now: both sides can, and no change is under way. */
  get canChangeLane(): boolean {
    return this.#phase === "open" && this.#memory.lanes?.isSettled === true;
  }

  /** @param descriptors from now on the session's */
  sendLane(lane: Lane, descriptors?: readonly number[]): void {
    this.#control.sendLane(lane, descriptors);
  }

  takeDescriptors(count: number, limit: number): readonly number[] {
    return this.#descriptors.take(count, limit);
  }

  onGreeted(): void {
    this.#liveness.greeted();
  }

  onGoAway(): void {
    if (this.#phase === "open") this.#phase = "closing";
  }

  /** Runs what may find that the other side broke the rules. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error;
      this.cut(error);
    }
  }

  cut(error: EarshotError): void {
    if (this.#phase === "ended") return;
    const code = isFailureName(error.code) ? error.code : "CONNECTION_CLOSED";
    this.#writer.sendGoAway(this.#inbound === undefined ? 0 : this.#memory.lastId, code, error.message);
    this.#output.flush();
    this.#phase = "ended";
    this.#host.abort(error);
  }

  #endIfDone(): void {
    const { isWritable, isEmpty } = this.#output;
    if (this.#phase !== "closing" || !isWritable || !isEmpty || !this.isIdle) return;
    this.#phase = "ended";
    this.#host.end();
  }
}
