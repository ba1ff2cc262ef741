import { EarshotError } from "../errors.js";
import { FramedSession } from "../session/framed.js";
import type { FramedMemory } from "../session/framed-options.js";
import type { OutgoingStream } from "../session/outgoing-stream.js";
import type { Exchange, Session, SessionHost } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import type { FailureName } from "../wire/failure.js";
import type { Hello } from "../wire/hello.js";
import { type Alarm, setAlarm } from "./alarm.js";
import { type Holder, STALL_MS } from "./budget.js";
import { type ConnectionSetup, makeSession } from "./connection-setup.js";
import { FirstBytes } from "./first-bytes.js";
import { Lane, type LaneOwner } from "./lane.js";
import { Linger } from "./linger.js";
import { Reading } from "./reading.js";
import { Turn } from "./turn.js";

/** After so long without anything a connection lets go of all that it can make again. */
const REST_AFTER_MS = 5;

/** Joins a transport and a session, and holds the only timer. */
export class Connection implements SessionHost, Holder, LaneOwner {
  readonly id: number;
  budgetedBytes = 0;
  lastActiveAt: number;
  readonly #setup: ConnectionSetup;
  transport: Transport;
  readonly lane: Lane | undefined;
  readonly #refusal: EarshotError | undefined;
  /** There is none before the wire is known, nor while a framed connection rests. */
  #session: Session | undefined;
  #memory: FramedMemory | undefined;
  #firstBytes: FirstBytes | undefined;
  #alarm: Alarm | undefined;
  #linger: Linger | undefined;
  readonly #reading = new Reading();
  readonly #turn = new Turn();
  isBlocked = false;
  #isClosed = false;
  #error: EarshotError | undefined;

  constructor(id: number, transport: Transport, setup: ConnectionSetup, refusal?: EarshotError) {
    this.id = id;
    this.transport = transport;
    this.#setup = setup;
    this.#refusal = refusal;
    this.lastActiveAt = this.now();
    this.lane = setup.lane && new Lane(setup.lane, setup.role, this);
    if (setup.wire !== "auto") this.#session = makeSession(setup.wire, this, setup, refusal);
    transport.start(this);
    this.#settle();
  }

  get wire(): "framed" | "plain" | undefined {
    return this.#memory === undefined ? this.#session?.wire : "framed";
  }

  /** True when it was made only to be told that there is no place. */
  get isRefused(): boolean {
    return this.#refusal !== undefined;
  }

  get isWaitingForPeer(): boolean {
    return this.#session?.isWaitingForPeer ?? false;
  }

  // What the peer's own side asks for. Everything else follows at the end of the turn.
  /** For a client's requests; one that rested is there again. */
  get session(): Session | undefined {
    this.requestFlush();
    return this.#awake();
  }

  /** @param descriptors from now on the connection's */
  reply(exchange: Exchange, body: string | Uint8Array, descriptors: readonly number[]): void {
    if (this.#session === undefined) this.closeDescriptors(descriptors);
    this.#session?.reply(exchange, body, descriptors);
    this.#setup.admission?.leave(exchange);
    this.requestFlush();
  }

  /** @param descriptors from now on the connection's */
  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[]): void {
    if (this.#session === undefined) this.closeDescriptors(descriptors);
    this.#session?.replyStream(exchange, outgoing, descriptors);
    this.requestFlush();
  }

  endReply(exchange: Exchange): void {
    this.#session?.endReply(exchange);
    this.#setup.admission?.leave(exchange);
    this.requestFlush();
  }

  fail(exchange: Exchange, code: FailureName, text: string, remoteCode?: string): void {
    this.#session?.fail(exchange, code, text, remoteCode);
    this.#setup.admission?.leave(exchange);
    this.requestFlush();
  }

  /** Ends the connection when everything in flight is finished. */
  close(code: FailureName, text: string): void {
    if (this.#awake() === undefined) this.abort(undefined);
    this.#session?.close(code, text);
    this.requestFlush();
  }

  // What the transport tells.

  readInto(): Buffer | undefined {
    return this.#session?.readInto();
  }

  onBytes(bytes: Buffer, descriptors?: readonly number[]): void {
    this.lastActiveAt = this.#turn.receivingAt(this.transport);
    const session = this.#awake();
    // Nobody may send descriptors before both have greeted.
    if (session === undefined && descriptors !== undefined) this.closeDescriptors(descriptors);
    this.#turn.beginReceiving();
    if (session === undefined) this.#decide(bytes);
    else session.receive(bytes, descriptors);
    if (this.#turn.endReceiving(bytes.length)) this.#flushOut();
    // Else at the end of the turn, which comes before any more is read: what answers this leaves sooner.
    if (this.transport.microtasksSince === undefined) this.#settle();
  }

  onEnd(): void {
    const rest = this.#firstBytes?.end();
    if (rest !== undefined) this.#begin("plain", rest);
    if (this.#awake() === undefined) this.abort(undefined);
    this.#session?.receiveEnd();
    this.#settle();
  }

  onDrain(): void {
    this.lastActiveAt = this.now();
    this.isBlocked = false;
    this.#linger?.drained(this.lastActiveAt);
    this.#session?.drained();
    this.#settle();
  }

  onClose(error?: EarshotError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#alarm?.timer);
    this.lane?.closed();
    const cause = this.#error ?? error;
    // A session that rests has nothing to lose, and an error costs more than all the rest of closing.
    if (this.#session?.isIdle === false)
      this.#session.lost(cause ?? new EarshotError("CONNECTION_LOST", "the other side has closed the connection"));
    this.#setup.budget?.remove(this);
    this.#setup.owner.onClosed(this, cause);
  }

  now(): number {
    return this.#turn.now(this.lastActiveAt);
  }

  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean {
    this.isBlocked = !this.#isClosed && !this.transport.write(chunks, descriptors);
    return !this.isBlocked;
  }

  closeDescriptors(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) this.#setup.descriptors?.close(descriptor);
  }

  requestFlush(): void {
    if (this.#turn.request(this.transport)) process.nextTick(flush, this);
  }

  onTurn(): void {
    if (!this.#turn.isDue) return;
    this.#turn.ending();
    try {
      if (this.#turn.mustFlush) this.#flushOut();
      this.#settle();
    } finally {
      this.#turn.ended();
    }
  }

  #flushOut(): void {
    this.#turn.flushed();
    if (!this.#isClosed) this.#session?.flush();
  }

  end(): void {
    // A framed client ends when it has all its answers: there is nothing to wait for.
    if (this.#setup.role === "client" && this.wire === "framed") this.transport.close();
    else this.transport.end();
    if (this.#setup.role === "server") this.#linger = new Linger(this.now(), this.isBlocked);
  }

  abort(error: EarshotError | undefined): void {
    this.#error ??= error;
    this.transport.close();
  }

  onGreeting(hello: Hello): void {
    this.lane?.greeted(hello);
    this.#setup.owner.onGreeting(this, hello);
  }

  onExchange(exchange: Exchange): void {
    this.#setup.owner.onExchange(this, exchange);
  }

  onCallerGone(exchange: Exchange, error: EarshotError): void {
    this.#setup.owner.onCallerGone(this, exchange, error);
  }

  onClosing(error: EarshotError): void {
    this.#setup.owner.onClosing(this, error);
  }

  pauseForMemory(): void {
    this.#reading.waitingSince = this.now();
    this.#reading.sync(this.transport, this.#session);
  }

  resumeForMemory(): void {
    this.#reading.waitingSince = 0;
    // What did not come while this side did not read is no stalling.
    this.lastActiveAt = this.now();
    this.#reading.sync(this.transport, this.#session);
  }

  giveWay(): void {
    this.#session?.cut(new EarshotError("OVERLOADED", `no progress for ${STALL_MS} ms while others waited for memory`));
  }

  #decide(bytes: Buffer): void {
    this.#firstBytes ??= new FirstBytes();
    const decided = this.#firstBytes.add(bytes);
    if (decided !== undefined) this.#begin(decided.wire, decided.bytes);
  }

  #begin(wire: "framed" | "plain", bytes: Buffer): void {
    this.#firstBytes = undefined;
    this.#session = makeSession(wire, this, this.#setup, this.#refusal);
    if (wire === "plain" && this.#refusal !== undefined) this.abort(this.#refusal);
    else this.#session.receive(bytes);
  }

  /** The session; one that rested is there again. */
  #awake(): Session | undefined {
    if (this.#session === undefined && this.#memory !== undefined)
      this.#session = makeSession("framed", this, this.#setup, undefined, this.#memory);
    return this.#session;
  }

  /** Set while there is nothing that the session must stay for. */
  #restingMemory(): FramedMemory | undefined {
    if (!this.#turn.isQuiet || !(this.#session instanceof FramedSession)) return undefined;
    return this.#session.restingMemory;
  }

  /** After anything has happened: budget, lane, reading and timer follow. */
  #settle(): void {
    if (this.#isClosed) return;
    this.lane?.settle(this.#session, this.#turn.takeReceived());
    if (this.#session !== undefined) this.#setup.budget?.update(this, this.#session.heldBytes);
    this.#reading.sync(this.transport, this.#session);
    const times = { now: this.now(), soon: this.lastActiveAt + REST_AFTER_MS };
    this.#alarm = setAlarm(this.#alarm, this.#nextDeadline(), times, tick, this);
  }

  #nextDeadline(): number {
    let next = this.#session?.nextDeadline ?? Infinity;
    const { handshakeTimeoutMs } = this.#setup.limits;
    if (this.wire === undefined && handshakeTimeoutMs > 0) next = this.lastActiveAt + handshakeTimeoutMs;
    if (next === Infinity && this.#restingMemory() !== undefined) next = this.lastActiveAt + REST_AFTER_MS;
    next = Math.min(next, this.#linger?.deadline ?? Infinity, this.lane?.deadline ?? Infinity);
    return Math.min(next, this.#reading.deadline);
  }

  tickNow(): void {
    this.#alarm = undefined;
    const now = this.now();
    if (now >= (this.lane?.deadline ?? Infinity)) this.lane?.tick(now, this.#awake());
    const memory = now >= this.lastActiveAt + REST_AFTER_MS ? this.#restingMemory() : undefined;
    if (memory !== undefined) {
      // Most connections are idle most of the time: then only what must be known is kept.
      this.#memory = memory;
      this.#session = undefined;
    }
    if (now >= (this.#linger?.deadline ?? Infinity)) this.abort(undefined);
    else if (this.#session !== undefined) this.#session.tick(now);
    else if (this.#memory === undefined && now >= this.#nextDeadline()) {
      this.abort(new EarshotError("TIMEOUT", "Nothing came on the connection"));
    }
    if (this.#reading.hasWaited(now)) this.#setup.budget?.relieve(now);
    this.#settle();
  }
}

const flush = (connection: Connection) => connection.onTurn();
const tick = (connection: Connection) => connection.tickNow();
