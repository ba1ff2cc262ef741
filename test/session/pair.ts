import { EarshotError } from "../../src/errors.js";
import { Arena } from "../../src/session/arena.js";
import type { BodyMemory } from "../../src/session/body-memory.js";
import { FramedSession } from "../../src/session/framed.js";
import type { FramedMemory } from "../../src/session/framed-options.js";
import { Greetings } from "../../src/session/handshake.js";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import { PlainSession } from "../../src/session/plain.js";
import type { Body, OwnApp, Session, SessionLimits } from "../../src/session/session.js";
import { type AppInfo, type Hello, LOANS_FEATURE, ownHello } from "../../src/wire/hello.js";
import { lend } from "../support/bytes.js";
import { FakeClock } from "../support/clock.js";
import { FakeHost, FakeRequest } from "../support/host.js";
import { type FakeMemory, FakeSlabs } from "./fake-slabs.js";

export type Role = "client" | "server";

export const LIMITS: SessionLimits = {
  maxMessageBytes: 4_194_304,
  maxInFlight: 4,
  maxDescriptors: 4,
  handshakeTimeoutMs: 1_000,
  messageTimeoutMs: 2_000,
  idleTimeoutMs: 0,
  takesStreams: false,
};
/** What a client that was dialed has: its limits of time are the deadlines of its messages. */
export const CLIENT_LIMITS: SessionLimits = { ...LIMITS, handshakeTimeoutMs: 0, messageTimeoutMs: 0 };

export interface EndOptions {
  readonly limits?: Partial<SessionLimits>;
  readonly app?: AppInfo;
  readonly objection?: OwnApp["objection"];
  readonly hello?: Partial<Hello>;
  readonly refusal?: EarshotError;
  readonly memory?: FramedMemory;
  /** Where messages may be lent; its host is the end's. */
  readonly slabs?: FakeMemory;
  /** Where large messages are only lent to handlers. */
  readonly bodies?: BodyMemory;
  /** One of its own where nothing is said. */
  readonly arena?: Arena;
}

export type MakeSession = (role: Role, host: FakeHost, options?: EndOptions, slabs?: FakeSlabs) => Session;

function limitsOf(role: Role, options: EndOptions): SessionLimits {
  return { ...(role === "client" ? CLIENT_LIMITS : LIMITS), ...options.limits };
}

export function makeFramed(
  role: Role,
  host: FakeHost,
  options: EndOptions = {},
  slabs: FakeSlabs | undefined = undefined,
): FramedSession {
  const limits = limitsOf(role, options);
  const { maxMessageBytes, maxInFlight, takesStreams } = limits;
  const { app: info, objection = () => undefined, refusal, memory } = options;
  const taken = takesStreams
    ? { maxMessageBytes: Number.MAX_SAFE_INTEGER, maxInFlight, windowBytes: 65_536 }
    : { maxMessageBytes, maxInFlight };
  const loans = slabs === undefined ? {} : { loanBytes: slabs.maxBytes };
  const features = slabs === undefined ? [] : [LOANS_FEATURE];
  const hello = { ...ownHello({ ...taken, ...loans }, info, features), ...options.hello };
  return new FramedSession({
    role,
    host,
    limits,
    greetings: new Greetings(hello),
    app: { info, objection },
    arena: options.arena ?? new Arena(),
    refusal,
    memory,
    bodies: options.bodies,
    slabs,
  });
}

export function makePlain(role: Role, host: FakeHost, options: EndOptions = {}): PlainSession {
  return new PlainSession(role, host, limitsOf(role, options));
}

/** One side: a session and its host, joined as `peer/connection.ts` joins them. */
export class End {
  readonly role: Role;
  readonly host: FakeHost;
  session: Session;
  readonly slabs: FakeSlabs | undefined;
  /** Whether its transport reads straight to where the session wants it, where it says so. */
  readsInto = true;
  hasSeenEnd = false;
  #into: Buffer | undefined;
  readonly #options: EndOptions;

  constructor(role: Role, clock: FakeClock, make: MakeSession, options: EndOptions = {}) {
    this.role = role;
    this.#options = options;
    this.host = new FakeHost(clock);
    this.slabs = options.slabs && new FakeSlabs(options.slabs, this.host);
    this.session = make(role, this.host, options, this.slabs);
  }

  /** As the connection does when nothing has happened for a while: another session goes on where this one rested. */
  rest(): boolean {
    if (!(this.session instanceof FramedSession) || this.host.isFlushRequested || this.isGone) return false;
    const memory = this.session.restingMemory;
    if (memory === undefined) return false;
    this.session = makeFramed(this.role, this.host, { ...this.#options, memory }, this.slabs);
    return true;
  }

  /** The end of a turn; returns whether anything was to be done. */
  flush(): boolean {
    if (!this.host.isFlushRequested || this.host.isLost) return false;
    this.host.isFlushRequested = false;
    this.session.flush();
    return true;
  }

  receive(...pieces: readonly Uint8Array[]): void {
    this.receiveWith(undefined, ...pieces);
  }

  /** The same; descriptors come with the first byte. */
  receiveWith(descriptors: readonly number[] | undefined, ...pieces: readonly Uint8Array[]): void {
    let together = descriptors;
    for (const piece of pieces) {
      let rest = piece;
      while (rest.length > 0 && !this.isGone) {
        rest = rest.subarray(this.#read(rest, together));
        together = undefined;
      }
    }
    this.syncPause();
  }

  /** One read, to where the session wants it; returns how many bytes it took. */
  #read(bytes: Uint8Array, descriptors: readonly number[] | undefined): number {
    const into = this.#into;
    if (into === undefined) lend(bytes, (borrowed) => this.session.receive(borrowed, descriptors));
    else {
      into.set(bytes.subarray(0, into.length));
      this.session.receive(into.subarray(0, bytes.length), descriptors);
    }
    this.#into = this.readsInto ? this.session.readInto() : undefined;
    return into === undefined ? bytes.length : Math.min(into.length, bytes.length);
  }

  receiveEnd(): void {
    if (this.hasSeenEnd || this.isGone) return;
    this.hasSeenEnd = true;
    this.session.receiveEnd();
  }

  tick(): void {
    if (!this.isGone) this.session.tick(this.host.now());
  }

  drain(): void {
    this.host.isWritable = true;
    if (!this.host.isBlocked || this.host.isLost) return;
    this.host.drain();
    this.session.drained();
  }

  send(body: Body = "hello", deadlineAt?: number): FakeRequest {
    const request = new FakeRequest(body, deadlineAt);
    this.session.send(request);
    return request;
  }

  /** A message that is written bit by bit. */
  sendStream(deadlineAt?: number): FakeRequest & { outgoing: OutgoingStream } {
    const request = Object.assign(new FakeRequest("", deadlineAt), { outgoing: new OutgoingStream() });
    this.session.send(request);
    return request;
  }

  /** A message whose reply is wanted as a stream. */
  ask(body: Body = "hello", deadlineAt?: number): FakeRequest {
    const request = new FakeRequest(body, deadlineAt);
    request.isStreamed = true;
    this.session.send(request);
    return request;
  }

  /** Both directions of it are streams. */
  open(deadlineAt?: number): FakeRequest & { outgoing: OutgoingStream } {
    const request = Object.assign(new FakeRequest("", deadlineAt), { outgoing: new OutgoingStream() });
    request.isStreamed = true;
    this.session.send(request);
    return request;
  }

  isPaused = false;

  lose(error = new EarshotError("CONNECTION_LOST", "the other side has closed the connection")): void {
    if (this.host.isLost) return;
    this.host.isLost = true;
    this.slabs?.closed();
    this.session.lost(this.host.error ?? error);
  }

  /** As the connection does: nothing more is read while there is too much to do. */
  syncPause(): void {
    const { session } = this;
    if (this.isPaused === session.isCongested) return;
    this.isPaused = session.isCongested;
    session.paused(this.isPaused);
  }

  /** True when its own transport is closed or about to be: nothing comes in any more. */
  get isGone(): boolean {
    const { isLost, isAborted, isEnded } = this.host;
    return isLost || isAborted || (isEnded && this.role === "client" && this.session.wire === "framed");
  }
}

/** Two sessions joined back to back; nothing moves but when the test says so. */
export class Pair {
  readonly clock = new FakeClock();
  readonly client: End;
  readonly server: End;
  /** How the bytes of one write arrive. */
  cut: (bytes: Buffer) => readonly Buffer[] = (bytes) => [bytes];

  constructor(make: MakeSession, options: { readonly client?: EndOptions; readonly server?: EndOptions } = {}) {
    this.client = new End("client", this.clock, make, options.client);
    this.server = new End("server", this.clock, make, options.server);
  }

  /** Lets everything run until nothing moves any more. */
  settle(): this {
    let isMoving = true;
    while (isMoving) {
      const hasFlushed = [this.client.flush(), this.server.flush()];
      const hasMoved = [this.deliver(this.client, this.server), this.deliver(this.server, this.client)];
      isMoving = hasFlushed.includes(true) || hasMoved.includes(true);
    }
    return this;
  }

  /** Time goes on for both, at one go. */
  advance(ms: number): this {
    this.clock.advance(ms);
    this.client.tick();
    this.server.tick();
    return this.settle();
  }

  /** Moves at most so many bytes of what one has written to the other. */
  deliverPart(from: End, to: End, bytes: number): void {
    const [first] = from.host.writes;
    if (first === undefined || to.isGone || to.isPaused || bytes === 0) return;
    to.receiveWith(from.host.descriptorsOf.get(first), first.subarray(0, bytes));
    from.host.writes.shift();
    if (bytes < first.length) from.host.writes.unshift(first.subarray(bytes));
  }

  /** Moves what one has written to the other; returns whether anything moved. */
  deliver(from: End, to: End): boolean {
    let hasMoved = false;
    while (from.host.writes.length > 0 && (to.isGone || !to.isPaused)) {
      hasMoved = true;
      const write = from.host.writes.shift()!;
      to.receiveWith(from.host.descriptorsOf.get(write), ...this.cut(write));
    }
    const { isEnded, isBlocked, isAborted, isLost } = from.host;
    // Who closes drops what still waits inside; who only ends its direction does not.
    const isOver = isAborted || isLost || (isEnded && !isBlocked);
    if (isOver && from.host.writes.length === 0 && !to.hasSeenEnd && !to.isGone) {
      to.receiveEnd();
      hasMoved = true;
    }
    if (to.isGone && !to.host.isLost) {
      to.lose();
      hasMoved = true;
    }
    // Whoever has ended its own direction, all of it out, and seen the other's end is done.
    if (to.host.isEnded && to.hasSeenEnd && !to.host.isBlocked && !to.host.isLost) {
      to.lose();
      hasMoved = true;
    }
    to.syncPause();
    return hasMoved;
  }
}
