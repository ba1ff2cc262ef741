import type { Delivery, EarshotError, ErrorCode } from "../errors.js";
import type { Message } from "../message.js";
import type { FailureName } from "../wire/failure.js";
import type { AppInfo, ContractInfo, Hello } from "../wire/hello.js";
import type { Lane } from "../wire/lane.js";
import type { Meta } from "../wire/meta.js";
import type { Assembly } from "./assembly.js";
import type { IncomingStream } from "./incoming-stream.js";
import type { OwnSlab } from "./lending.js";
import type { OutgoingStream } from "./outgoing-stream.js";

/** What can be sent. Bytes must stay unchanged until the exchange is settled: large ones are not copied. */
export type Body = string | Uint8Array;

/**
 * The life of the protocol on one connection. Pure: bytes come in by `receive`, go out by `host.write`, and time is
 * what the host says. `test/session/suite.ts` holds both kinds, framed and plain, to this:
 *
 * - Every request that was handed to `send` is settled exactly once: by a reply, by the beginning of one that is a stream, or
 *   by a failure. A failure may still follow a reply while one of the request's two streams is not over: it ends both.
 * - Every exchange that was handed to `host.onExchange` may be answered once, at any time; an answer that comes after
 *   its caller is gone is dropped.
 * - Nothing is written, and no exchange begins, after `lost`.
 */
export interface Session {
  readonly wire: "framed" | "plain";
  /**
   * Bytes from the other side, borrowed, and descriptors that came with them, now this session's: to be handed on with
   * their message or to `host.closeDescriptors`. Breaking the protocol makes the session close, never throw.
   */
  receive(bytes: Buffer, descriptors?: readonly number[]): void;
  /** The other side will send no more. */
  receiveEnd(): void;
  /** The connection is gone: settles everything that is not settled yet. */
  lost(error: EarshotError): void;

  /** Sends a message and settles the request with its reply. */
  send(request: Request): void;
  /** Gives up a request that is not settled; the other side is told if it may know of it. */
  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void;
  /** Reads no more of a reply that is wanted as a stream, whether it has begun or not. */
  stop(request: Request): void;
  /** Answers a message of the other side. @param descriptors from now on the session's, to be sent or closed */
  reply(exchange: Exchange, body: Body, descriptors?: readonly number[]): void;
  /** Answers with what is written to a stream, from now on; `endReply` must follow, or `fail`. */
  replyStream(exchange: Exchange, outgoing: OutgoingStream, descriptors?: readonly number[]): void;
  /** The answer that is a stream has ended, or has no use any more. */
  endReply(exchange: Exchange): void;
  /** Tells the other side that its message was not handled. */
  fail(exchange: Exchange, code: FailureName, text: string, remoteCode?: string): void;
  /** Asks the other side for a sign of life; the plain wire has none. */
  ping(request: Request): void;

  /**
   * Ends the session when everything in flight is finished; the other side is told not to begin anything new.
   * The host's `end` follows.
   */
  close(code: FailureName, text: string): void;

  /** Ends it now; the other side is told why where the wire has a word for it. */
  cut(error: EarshotError): void;

  /** Writes what there is to write; the host calls it once for each turn in which `requestFlush` was called. */
  flush(): void;
  /** The transport takes bytes again. */
  drained(): void;

  /** The host stops or goes on reading; what does not come meanwhile is not held against the other side. */
  paused(is: boolean): void;
  /** When `tick` wants to be called, in the clock of `host.now`; `Infinity` for never. */
  readonly nextDeadline: number;
  tick(now: number): void;

  /** Whether `sendLane` may be called: both sides have a second way for bytes, and no change is under way. Framed only. */
  readonly canChangeLane?: boolean;
  /** Says so; the host hears when it is out. @param descriptors from now on the session's */
  sendLane?(lane: Lane, descriptors?: readonly number[]): void;

  /** As `TransportEvents.readInto`. */
  readInto(): Buffer | undefined;
  /** Bytes that this side holds for the other: messages until they are answered, replies until they are out. */
  readonly heldBytes: number;
  /** True while nothing more should be read. */
  readonly isCongested: boolean;
  /** True when a message that the other side began is not complete, or output waits for it to read. */
  readonly isWaitingForPeer: boolean;
  /** True when nothing is in flight in either direction. */
  readonly isIdle: boolean;
}

/** What a session needs from outside. None of these calls back into the session before it returns. */
export interface SessionHost {
  now(): number;
  /** As `Transport.write`. */
  write(chunks: readonly Uint8Array[], descriptors?: readonly number[]): boolean;
  /** Nobody wants them. */
  closeDescriptors(descriptors: readonly number[]): void;
  /** Please call `flush` at the end of this turn. */
  requestFlush(): void;
  /** The session is over and everything is written. */
  end(): void;
  /** Cut the connection now: because of the error, or because the other side is gone. */
  abort(error: EarshotError | undefined): void;
  /** The other side has introduced itself and both sides agree. */
  onGreeting(hello: Hello): void;
  /** A message has come. */
  onExchange(exchange: Exchange): void;
  /** Nobody waits for this answer any more. */
  onCallerGone(exchange: Exchange, error: EarshotError): void;
  /** The other side takes no new messages on this connection. */
  onClosing(error: EarshotError): void;
}

/** Both sides' limits, in bytes, milliseconds and numbers; 0 ms means no limit. */
export interface SessionLimits {
  readonly maxMessageBytes: number;
  readonly maxInFlight: number;
  /** With one message; 0 where the transport carries none. */
  readonly maxDescriptors: number;
  readonly handshakeTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Whether messages are handed on as streams as soon as they begin: then `maxMessageBytes` is no limit of theirs. */
  readonly takesStreams: boolean;
}

/** This side's application, and which applications of the other side it works with. */
export interface OwnApp {
  readonly info: AppInfo | undefined;
  /** Returns what is wrong with the other side's application, or `undefined` when nothing is. */
  readonly objection: (other: AppInfo | undefined) => string | undefined;
  readonly contract?: OwnContract | undefined;
}

/** The contract that this side serves or calls. */
export interface OwnContract {
  readonly info: ContractInfo;
  /** As for `OwnApp`; of the contract of the other side. */
  readonly objection: (other: ContractInfo | undefined) => string | undefined;
}

const NONE: readonly number[] = [];

/** Who has lent the memory of a body. */
export interface Lender {
  /** It is not needed any more. */
  release(): void;
  /** Set where it is memory that the other side can see: the body is at its beginning. */
  readonly slab?: OwnSlab;
}

/** A message on its way to a frame: a request or the answer to one. */
export abstract class Outgoing {
  body: Body = "";
  /** Set with a body whose memory is used again: told once, when its bytes are with the transport or never will be. */
  lender: Lender | undefined = undefined;
  /** Instead of a body: what is written to it. */
  outgoing: OutgoingStream | undefined = undefined;
  /** Of a body that goes out in pieces: how much of it is out. */
  sentBytes = 0;
  /** How much more of it the other side takes now; -1 for all. */
  creditBytes = -1;
  /** The other side has said that it takes no more of it. */
  isStopped = false;
  /** All of it is out. */
  isOut = false;
  /** Whether the other direction is wanted as a stream, unless it fits one frame; and that stream. */
  isStreamed = false;
  incoming: IncomingStream | undefined = undefined;
  isDropped = false;
  /** Whether it is for the other side's earshot, not for its handler. */
  isSystem = false;
  /** Go with its first frame, and are the transport's from then on. */
  descriptors: readonly number[] = NONE;
  /** A request's id and headers, as they go. */
  metaBytes: Uint8Array | undefined = undefined;
  /**
   * When its caller gives up, 0 for never: a small integer costs nothing, where `Infinity` would be an object of its own for
   * each message. For `deadlineAt` alone, and not private: classes derive from this one, and are slower to make if it is.
   */
  expiresAt = 0;

  /** Its body is not needed any more. */
  letGo(): void {
    this.body = "";
    const { lender } = this;
    this.lender = undefined;
    lender?.release();
  }

  /** When its caller gives up, in the clock of the host: the next whole millisecond, or `Infinity`. */
  get deadlineAt(): number {
    return this.expiresAt === 0 ? Infinity : this.expiresAt;
  }

  /** Whether the other direction is wanted where it is, if it is lent. */
  get isBorrowed(): boolean {
    return false;
  }

  set deadlineAt(at: number) {
    this.expiresAt = at === Infinity ? 0 : Math.max(1, Math.ceil(at));
  }
}

export type RequestState = "new" | "waiting" | "queued" | "sent" | "settled";

/** Whom a request was handed to. */
export interface Carrier {
  /** Gives it up; nothing happens when it is settled. */
  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void;
  /** Reads no more of a reply that is wanted as a stream. */
  stop(request: Request): void;
}

/** A message of ours and what becomes of it: exactly one of the two methods is called, once. */
export abstract class Request extends Outgoing {
  state: RequestState = "new";
  id = 0;
  /** Where it can be given up, whether it has begun there or waits: a client may have more than one connection. */
  carrier: Carrier | undefined = undefined;
  /** How many bytes left; the body itself is let go when it is out. */
  sentLength = 0;
  // Its reply, as it comes in: here, because an object of its own for each message would cost more.
  assembly: Assembly | undefined = undefined;
  deadlineMs = -1;
  isReplyBegun = false;
  isReplyEnded = false;
  /** Nobody reads the reply any more. */
  isUnwanted = false;
  replyDescriptors: readonly number[] = NONE;

  // biome-ignore lint/complexity/noUselessConstructor: the default one passes on a list of arguments, which takes longer.
  constructor() {
    super();
  }

  /** @param descriptors came with the reply, and are the receiver's to close */
  abstract onReply(message: Message, descriptors: readonly number[]): void;
  /** The reply has begun, and is `incoming`; it was asked for as a stream and does not fit one frame. */
  abstract onReplyStream(incoming: IncomingStream, descriptors: readonly number[]): void;
  abstract onFailure(code: ErrorCode, fact: string, delivery: Delivery, details?: FailureDetails): void;
  /** What the other side is told when it is given up: why, for people, and a code of the caller's own. */
  get parting(): { readonly text: string; readonly remoteCode: string } | undefined {
    return undefined;
  }

  /** Of a request with streams: both directions are over, and nothing more is told. */
  onOver(): void {}
}

export interface FailureDetails {
  readonly cause?: unknown;
  readonly remoteCode?: string;
  readonly retryAfterMs?: number | undefined;
}

/** A message of the other side, from its first frame until its answer is out. */
export class Exchange extends Outgoing {
  readonly id: number;
  state: "receiving" | "ready" | "handling" | "replying" | "answered" | "gone" = "receiving";
  /** Whole; or else it is `incoming`, from its first frame on. */
  message: Message | undefined = undefined;
  /** Its id and headers, if it has any. */
  meta: Meta | undefined = undefined;
  /** What the session's user keeps with it. */
  context: unknown = undefined;
  heldBytes = 0;
  /** Its handler is done with it. */
  isHandled = false;
  /** Came with the message; from `onExchange` on they are the host's to close. */
  received: readonly number[] = NONE;

  constructor(id: number) {
    super();
    this.id = id;
  }
}
