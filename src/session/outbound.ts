import type { Delivery, ErrorCode } from "../errors.js";
import { type FrameDecoder, violation } from "../wire/decode.js";
import type { Failure } from "../wire/failure.js";
import { FrameType, MAX_EXCHANGE } from "../wire/frame.js";
import { Deadlines } from "./deadlines.js";
import { Fifo } from "./fifo.js";
import type { BodyReader, Incoming } from "./incoming.js";
import type { Output, OutputOwner } from "./output.js";
import type { FailureDetails, Request, SessionHost } from "./session.js";

/** So many messages may be under way before the server has said how many it takes. */
export const FIRST_IN_FLIGHT = 32;

/** The reply to one request, as it comes in. */
interface Reply extends Incoming {
  readonly request: Request;
  isBegun: boolean;
}

/** The messages that this side began: from `send` until each is settled, exactly once. */
export class Outbound implements OutputOwner<Request> {
  readonly type = FrameType.OPEN;
  /** The highest exchange that went out. */
  lastId = -1;

  readonly #host: SessionHost;
  readonly #reader: BodyReader;
  readonly #maxMessageBytes: number;
  readonly #reset: (id: number) => void;
  readonly #pending = new Map<number, Reply>();
  readonly #waiting = new Fifo<Request>();
  #deadlines: Deadlines<Request> | undefined;
  #output: Output<Request> | undefined;
  #maxInFlight = FIRST_IN_FLIGHT;
  /** How many are with the output and not begun. */
  #queued = 0;
  #current: Reply | undefined;

  constructor(host: SessionHost, reader: BodyReader, maxMessageBytes: number, reset: (id: number) => void) {
    this.#host = host;
    this.#reader = reader;
    this.#maxMessageBytes = maxMessageBytes;
    this.#reset = reset;
  }

  set output(output: Output<Request>) {
    this.#output = output;
  }

  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#queued === 0 && this.#waiting.size === 0;
  }

  get nextDeadline(): number {
    return this.#deadlines?.next ?? Infinity;
  }

  /** The other side has said how many it takes. */
  set maxInFlight(count: number) {
    this.#maxInFlight = count;
    this.#advance();
  }

  send(request: Request): void {
    request.state = "waiting";
    if (request.deadlineAt !== Infinity) {
      this.#deadlines ??= new Deadlines();
      this.#deadlines.add(request);
    }
    this.#waiting.push(request);
    this.#advance();
  }

  now(): number {
    return this.#host.now();
  }

  begin(request: Request): number {
    this.#queued--;
    this.lastId += 2;
    if (this.lastId > MAX_EXCHANGE) throw new Error("a connection has run out of exchanges");
    request.id = this.lastId;
    request.state = "sent";
    this.#pending.set(request.id, { request, assembly: undefined, deadlineMs: -1, isBegun: false });
    return request.id;
  }

  flushed(request: Request): void {
    request.body = "";
  }

  cancel(request: Request, code: ErrorCode, fact: string): void {
    const wasSent = request.state === "sent";
    const { id } = request;
    this.#settle(request, code, fact, wasSent ? "unknown" : "unsent");
    if (wasSent) this.#reset(id);
  }

  onData(frame: FrameDecoder): void {
    const reply = this.#pending.get(frame.exchange);
    this.#current = reply;
    if (reply === undefined) {
      // An answer that comes after its request was given up; ids are never used again, so it can meet no other.
      if (frame.exchange > this.lastId)
        throw violation(`an answer to exchange ${frame.exchange}, which was not opened`);
      return;
    }
    this.#reader.begin(frame, !reply.isBegun);
    reply.isBegun = true;
  }

  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    const reply = this.#current;
    if (reply === undefined) return;
    const progress = this.#reader.take(frame, reply, bytes, start, end);
    if (progress === "more") return;
    this.#current = undefined;
    const { request } = reply;
    if (progress === "too-large") {
      const { id } = request;
      const fact = `the reply is larger than ${this.#maxMessageBytes} bytes (maxMessageBytes of this side)`;
      this.#settle(request, "MESSAGE_TOO_LARGE", fact, "unknown");
      this.#reset(id);
      return;
    }
    this.#release(request);
    request.onReply(progress);
  }

  onReset(id: number, failure: Failure): void {
    const reply = this.#pending.get(id);
    if (reply === undefined) {
      if (id > this.lastId) throw violation(`a reset of exchange ${id}, which was not opened`);
      return;
    }
    if (reply === this.#current) this.#current = undefined;
    const isUnsent = failure.code === "MESSAGE_TOO_LARGE" || failure.code === "OVERLOADED";
    const details = failure.remoteCode === "" ? undefined : { remoteCode: failure.remoteCode };
    this.#settle(reply.request, failure.code, failure.text, isUnsent ? "unsent" : "unknown", details);
  }

  /** The other side will not handle exchanges above `lastId`, nor anything that is not out yet. */
  refuseAfter(lastId: number, code: ErrorCode, fact: string): void {
    for (const { request } of [...this.#pending.values()]) {
      if (request.id > lastId) this.#settle(request, code, fact, "unsent");
    }
    this.#failUnsent(code, fact);
  }

  lost(code: ErrorCode, fact: string, cause: unknown): void {
    this.#current = undefined;
    for (const { request } of [...this.#pending.values()]) {
      this.#settle(request, code, fact, "unknown", { cause });
    }
    this.#failUnsent(code, fact, { cause });
  }

  /** Those whose time is up; the caller cancels them. */
  takeDue(now: number): Request[] {
    return this.#deadlines?.expire(now) ?? [];
  }

  /** Moves on what waits for a place. */
  #advance(): void {
    const output = this.#output;
    let moved = false;
    while (output !== undefined && this.#pending.size + this.#queued < this.#maxInFlight) {
      const request = this.#waiting.shift();
      if (request === undefined) break;
      request.state = "queued";
      this.#queued++;
      output.push(request);
      moved = true;
    }
    if (moved) this.#host.requestFlush();
  }

  #failUnsent(code: ErrorCode, fact: string, details?: FailureDetails): void {
    for (const request of this.#output?.waiting() ?? []) this.#settle(request, code, fact, "unsent", details);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#settle(next, code, fact, "unsent", details);
    }
  }

  #settle(request: Request, code: ErrorCode, fact: string, delivery: Delivery, details?: FailureDetails): void {
    this.#release(request);
    request.onFailure(code, fact, delivery, details);
  }

  /** Frees everything that a request holds, whatever its state. */
  #release(request: Request): void {
    const { state } = request;
    request.state = "settled";
    this.#deadlines?.delete(request);
    if (state === "waiting") this.#waiting.drop(request);
    else if (state === "queued") {
      this.#queued--;
      this.#output?.dropWaiting(request);
    } else {
      this.#pending.delete(request.id);
      if (request.sentBytes > 0) this.#output?.dropRest(request);
    }
    request.body = "";
    this.#advance();
  }
}
