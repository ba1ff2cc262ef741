import type { Delivery, ErrorCode } from "../errors.js";
import { type FrameDecoder, violation } from "../wire/decode.js";
import type { Failure } from "../wire/failure.js";
import { FrameType } from "../wire/frame.js";
import { Deadlines } from "./deadlines.js";
import type { DescriptorQueue } from "./descriptors.js";
import { Fifo } from "./fifo.js";
import { IdTable } from "./id-table.js";
import type { Resetter } from "./inbound.js";
import type { BodyReader } from "./incoming.js";
import type { Output, OutputOwner } from "./output.js";
import { type Excess, excessOf, type PeerLimits } from "./peer-limits.js";
import type { FailureDetails, Request, SessionHost } from "./session.js";

const NONE: readonly number[] = [];

/** So many messages may be under way before the server has said how many it takes. */
export const FIRST_IN_FLIGHT = 32;

/** Outlives this object: what has to be known of the exchanges that are over. */
interface Memory extends PeerLimits {
  /** The highest exchange that went out, 0 before the first. */
  lastId: number;
  readonly peerMaxInFlight: number | undefined;
}

/** The messages that this side began: from `send` until each is settled, exactly once. */
export class Outbound implements OutputOwner<Request> {
  readonly type = FrameType.OPEN;
  readonly #host: SessionHost;
  readonly #reader: BodyReader;
  readonly #maxMessageBytes: number;
  readonly #memory: Memory;
  readonly #resetter: Resetter;
  readonly #pending = new IdTable<Request>();
  readonly #waiting = new Fifo<Request>();
  #deadlines: Deadlines<Request> | undefined;
  #output: Output<Request> | undefined;
  /** How many are with the output and not begun. */
  #queued = 0;
  #current: Request | undefined;

  constructor(host: SessionHost, reader: BodyReader, maxMessageBytes: number, memory: Memory, resetter: Resetter) {
    this.#host = host;
    this.#reader = reader;
    this.#maxMessageBytes = maxMessageBytes;
    this.#memory = memory;
    this.#resetter = resetter;
  }

  set output(output: Output<Request>) {
    this.#output = output;
  }

  /** Where the rest of the payload that is coming in belongs. */
  readInto(bytes: number): Buffer | undefined {
    return this.#current?.assembly?.spare(bytes);
  }

  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#queued === 0 && this.#waiting.size === 0;
  }

  get nextDeadline(): number {
    return this.#deadlines?.next ?? Infinity;
  }

  send(request: Request): void {
    request.state = "waiting";
    const excess = excessOf(this.#memory, request.body, request.descriptors.length);
    if (excess !== undefined) {
      this.#refuse(request, excess);
      return;
    }
    if (request.deadlineAt !== Infinity) {
      this.#deadlines ??= new Deadlines();
      this.#deadlines.add(request);
    }
    this.#waiting.push(request);
    this.advance();
  }

  now(): number {
    return this.#host.now();
  }

  begin(request: Request): number {
    this.#queued--;
    // The client's exchanges are odd: 1, 3, 5, ...
    request.id = this.#memory.lastId === 0 ? 1 : this.#memory.lastId + 2;
    this.#memory.lastId = request.id;
    request.state = "sent";
    request.sentLength = request.body.length;
    this.#pending.set(request.id, request);
    return request.id;
  }

  flushed(request: Request): void {
    request.body = "";
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    const wasSent = request.state === "sent";
    const { id } = request;
    this.#settle(request, code, "", wasSent ? "unknown" : "unsent");
    if (wasSent) this.#resetter.sendReset(id, code);
  }

  onData(frame: FrameDecoder, descriptors: DescriptorQueue): void {
    const request = this.#pending.get(frame.exchange);
    this.#current = request;
    if (request === undefined) {
      // An answer that comes after its request was given up; ids are never used again, so it can meet no other.
      if (frame.exchange > this.#memory.lastId)
        throw violation(`an answer to exchange ${frame.exchange}, which was not opened`);
      this.#host.closeDescriptors(descriptors.take(frame.descriptors));
      return;
    }
    if (request.isReplyBegun && frame.descriptors > 0) throw violation("a later frame of a reply that has descriptors");
    if (frame.descriptors > 0) request.replyDescriptors = descriptors.take(frame.descriptors);
    this.#reader.begin(frame, !request.isReplyBegun);
    request.isReplyBegun = true;
  }

  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    const request = this.#current;
    if (request === undefined) return;
    const progress = this.#reader.take(frame, request, bytes, start, end);
    if (progress === "more") return;
    this.#current = undefined;
    if (progress === "too-large") {
      const { id } = request;
      const fact = `the reply is larger than ${this.#maxMessageBytes} bytes (maxMessageBytes of this side)`;
      this.#settle(request, "MESSAGE_TOO_LARGE", fact, "unknown");
      this.#resetter.sendReset(id, "CANCELLED");
      return;
    }
    const { replyDescriptors } = request;
    request.replyDescriptors = NONE;
    this.#release(request);
    request.onReply(progress, replyDescriptors);
  }

  onReset(id: number, failure: Failure): void {
    const request = this.#pending.get(id);
    if (request === undefined) {
      if (id > this.#memory.lastId) throw violation(`a reset of exchange ${id}, which was not opened`);
      return;
    }
    if (request === this.#current) this.#current = undefined;
    // A reply can be too large as well, and then the message was handled.
    const isTooLarge = request.sentLength > (this.#memory.peerMaxMessageBytes ?? Infinity);
    const isUnsent = failure.code === "OVERLOADED" || (failure.code === "MESSAGE_TOO_LARGE" && isTooLarge);
    const details = failure.remoteCode === "" ? undefined : { remoteCode: failure.remoteCode };
    this.#settle(request, failure.code, failure.text, isUnsent ? "unsent" : "unknown", details);
  }

  /** The other side will not handle exchanges above `lastId`, nor anything that is not out yet. */
  refuseAfter(lastId: number, code: ErrorCode, fact: string): void {
    for (const request of this.#pending.values()) {
      if (request.id > lastId) this.#settle(request, code, fact, "unsent");
    }
    this.#failUnsent(code, fact);
  }

  lost(code: ErrorCode, fact: string, cause: unknown): void {
    this.#current = undefined;
    for (const request of this.#pending.values()) {
      this.#settle(request, code, fact, "unknown", { cause });
    }
    this.#failUnsent(code, fact, { cause });
  }

  /** Those whose time is up; the caller cancels them. */
  takeDue(now: number): Request[] {
    return this.#deadlines?.expire(now) ?? [];
  }

  /** Moves on what waits for a place. */
  advance(): void {
    const output = this.#output;
    const maxInFlight = this.#memory.peerMaxInFlight ?? FIRST_IN_FLIGHT;
    if (output === undefined || this.#waiting.size === 0) return;
    while (this.#pending.size + this.#queued < maxInFlight) {
      const request = this.#waiting.peek();
      if (request === undefined || this.#isTooEarly(request)) break;
      this.#waiting.shift();
      const excess =
        request.descriptors.length > 0 ? excessOf(this.#memory, "", request.descriptors.length) : undefined;
      if (excess !== undefined) {
        this.#refuse(request, excess);
        continue;
      }
      request.state = "queued";
      this.#queued++;
      output.push(request);
    }
    this.#host.requestFlush();
  }

  /** Whether the other side takes descriptors is known from its greeting on; what comes behind keeps its place. */
  #isTooEarly(request: Request): boolean {
    return request.descriptors.length > 0 && this.#memory.peerMaxDescriptors === undefined;
  }

  /** @param request one that is not in the queue */
  #refuse(request: Request, { code, fact }: Excess): void {
    request.state = "settled";
    this.#deadlines?.delete(request);
    this.#closeDescriptors(request);
    request.onFailure(code, `the message ${fact}`, "unsent");
  }

  #failUnsent(code: ErrorCode, fact: string, details?: FailureDetails): void {
    // All of them are listed first: settling one moves on another.
    for (const request of [...(this.#output?.waiting() ?? []), ...this.#waiting.items()]) {
      this.#settle(request, code, fact, "unsent", details);
    }
  }

  #settle(request: Request, code: ErrorCode, fact: string, delivery: Delivery, details?: FailureDetails): void {
    this.#release(request);
    request.onFailure(code, fact, delivery, details);
  }

  /** Those that did not leave, and those of a reply that nobody gets. */
  #closeDescriptors(request: Request): void {
    const { descriptors, replyDescriptors } = request;
    if (descriptors.length === 0 && replyDescriptors.length === 0) return;
    this.#host.closeDescriptors([...descriptors, ...replyDescriptors]);
    request.descriptors = NONE;
    request.replyDescriptors = NONE;
  }

  /** Frees everything that a request holds, whatever its state. */
  #release(request: Request): void {
    const { state } = request;
    request.state = "settled";
    this.#closeDescriptors(request);
    // The rest of a reply that is half there concerns nobody.
    if (this.#current === request) this.#current = undefined;
    this.#deadlines?.delete(request);
    if (state === "waiting") this.#waiting.drop(request);
    else if (state === "queued") {
      this.#queued--;
      this.#output?.dropWaiting(request);
    } else {
      this.#pending.delete(request.id);
      request.assembly = undefined;
      if (request.sentBytes > 0) this.#output?.dropRest(request);
    }
    request.body = "";
    this.advance();
  }
}
