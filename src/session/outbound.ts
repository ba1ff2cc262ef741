import type { Delivery, ErrorCode } from "../errors.js";
import { type FrameDecoder, violation } from "../wire/decode.js";
import type { Failure } from "../wire/failure.js";
import { FIRST_WINDOW_BYTES, FrameType } from "../wire/frame.js";
import type { ControlWriter } from "./control-writer.js";
import { Deadlines } from "./deadlines.js";
import { closeDescriptors, type DescriptorQueue } from "./descriptors.js";
import type { ExchangeParts, FramedMemory } from "./framed-options.js";
import { IdTable } from "./id-table.js";
import type { BodyReader } from "./incoming.js";
import type { Output } from "./output.js";
import type { OutputOwner } from "./output-owner.js";
import { deliveryOf, type Excess, excessOf } from "./peer-limits.js";
import { RequestQueue } from "./request-queue.js";
import type { FailureDetails, Request, SessionHost } from "./session.js";
import type { Streams } from "./streams.js";

const NONE: readonly number[] = [];

/** The messages that this side began: from `send` until each is settled, exactly once. */
export class Outbound implements OutputOwner<Request> {
  readonly type = FrameType.OPEN;
  readonly #host: SessionHost;
  readonly #reader: BodyReader;
  readonly #maxMessageBytes: number;
  readonly #memory: FramedMemory;
  readonly #writer: ControlWriter;
  readonly #streams: Streams;
  readonly #pending = new IdTable<Request>();
  readonly #waiting: RequestQueue;
  #deadlines: Deadlines<Request> | undefined;
  #output: Output<Request> | undefined;
  /** How many are with the output and not begun. */
  #queued = 0;
  /** How many SYSTEM requests are queued or under way: they take no place of a message. */
  #system = 0;
  #current: Request | undefined;

  constructor({ host, limits, reader, memory, writer, streams }: ExchangeParts) {
    this.#host = host;
    this.#reader = reader;
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#memory = memory;
    this.#writer = writer;
    this.#streams = streams;
    this.#waiting = new RequestQueue(memory);
  }

  set output(output: Output<Request>) {
    this.#output = output;
  }

  /** Where the rest of the payload that is coming in belongs. */
  readInto(bytes: number): Buffer | undefined {
    const current = this.#current;
    return current?.incoming?.spare(bytes) ?? current?.assembly?.spare(bytes);
  }

  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#queued === 0 && this.#waiting.isEmpty;
  }

  get nextDeadline(): number {
    return this.#deadlines?.next ?? Infinity;
  }

  send(request: Request): void {
    const excess = excessOf(this.#memory, request.body, request.descriptors.length);
    if (excess !== undefined) {
      this.#refuse(request, excess);
      return;
    }
    if (request.deadlineAt !== Infinity) {
      this.#deadlines ??= new Deadlines();
      this.#deadlines.add(request);
    }
    if (request.isSystem) {
      this.#system++;
      this.#enqueue(request);
      this.#host.requestFlush();
      return;
    }
    request.outgoing?.attach(this.#streams.outgoing(() => this.#wake(request)));
    this.#waiting.push(request);
    this.advance();
  }

  #wake(request: Request): void {
    this.#output?.wake(request);
    this.#host.requestFlush();
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
    request.creditBytes = this.#memory.peerWindowBytes;
    this.#pending.set(request.id, request);
    if (request.isUnwanted) this.stop(request);
    return request.id;
  }

  flushed(request: Request): void {
    request.letGo();
    request.isOut = true;
    if (request.isReplyEnded) this.#release(request);
  }

  stop(request: Request): void {
    request.isUnwanted = true;
    if (request.state !== "sent" || request.isReplyEnded) return;
    request.incoming ??= this.#streams.begin(request.id, undefined);
    request.incoming.stop();
  }

  /** How much the other side takes of each message is known from its greeting on. */
  greeted(): void {
    const { peerWindowBytes } = this.#memory;
    for (const request of this.#pending.values()) {
      if (peerWindowBytes < 0) request.creditBytes = -1;
      else request.creditBytes += peerWindowBytes - FIRST_WINDOW_BYTES;
      this.#wake(request);
    }
    this.advance();
  }

  /** @returns `undefined` for one that is over @throws EarshotError `PROTOCOL_VIOLATION` for one that never began */
  find(id: number, what: string): Request | undefined {
    // An answer that comes after its request was given up; ids are never used again, so it can meet no other.
    return this.#pending.find(id, this.#memory.lastId, what);
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    const wasSent = request.state === "sent";
    const { id, parting } = request;
    this.#settle(request, code, "", wasSent ? "unknown" : "unsent");
    if (wasSent) this.#writer.sendReset(id, code, parting?.text, parting?.remoteCode);
  }

  /** As `Inbound.takeWhole`, of an answer. */
  takeWhole(frame: FrameDecoder, bytes: Buffer, start: number, end: number): boolean {
    const request = frame.type === FrameType.DATA && frame.isBare ? this.#pending.get(frame.exchange) : undefined;
    if (request === undefined || request.isReplyBegun || request.incoming !== undefined) return false;
    const message = this.#reader.takeWhole(bytes, start, end);
    if (message === undefined) return false;
    request.isReplyBegun = true;
    this.#endReply(request);
    request.onReply(message, NONE);
    return true;
  }

  onData(frame: FrameDecoder, descriptors: DescriptorQueue): void {
    const request = this.find(frame.exchange, "an answer to");
    this.#current = request;
    if (request === undefined) {
      this.#host.closeDescriptors(descriptors.take(frame.descriptors));
      return;
    }
    if (request.isReplyEnded) throw violation(`data after the end of exchange ${frame.exchange}`);
    if (request.isReplyBegun && frame.descriptors > 0) throw violation("a later frame of a reply that has descriptors");
    if (frame.descriptors > 0) request.replyDescriptors = descriptors.take(frame.descriptors);
    this.#reader.begin(frame, !request.isReplyBegun);
    request.isReplyBegun = true;
  }

  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    const request = this.#current;
    if (request === undefined) return;
    const wasStream = request.incoming !== undefined;
    const progress = this.#reader.take(frame, request, bytes, start, end);
    if (!wasStream && request.incoming !== undefined) {
      const { replyDescriptors } = request;
      request.replyDescriptors = NONE;
      request.onReplyStream(request.incoming, replyDescriptors);
    }
    if (progress === "more" || request.state === "settled") return;
    this.#current = undefined;
    if (progress === "ended") {
      this.#endReply(request);
      return;
    }
    if (progress === "too-large") {
      const fact = `the reply is larger than ${this.#maxMessageBytes} bytes (maxMessageBytes of this side)`;
      this.#settle(request, "MESSAGE_TOO_LARGE", fact, "unknown");
      this.#writer.sendReset(request.id, "CANCELLED");
      return;
    }
    const { replyDescriptors } = request;
    request.replyDescriptors = NONE;
    this.#endReply(request);
    request.onReply(progress, replyDescriptors);
  }

  #endReply(request: Request): void {
    request.isReplyEnded = true;
    if (request.incoming !== undefined) this.#streams.close(request.incoming);
    // What its writer still has to say goes on; the rest of a message that was answered concerns nobody.
    if (request.outgoing !== undefined && !request.isOut) return;
    if (!request.isOut) this.#writer.sendReset(request.id, "CANCELLED");
    this.#release(request);
  }

  onReset(id: number, failure: Failure): void {
    const request = this.find(id, "a reset of");
    if (request === undefined) return;
    if (request === this.#current) this.#current = undefined;
    const details = failure.remoteCode === "" ? undefined : { remoteCode: failure.remoteCode };
    this.#settle(request, failure.code, failure.text, deliveryOf(request, failure.code, this.#memory), details);
  }

  /** The other side will not handle exchanges above `lastId`, nor anything that is not out yet. */
  refuseAfter(lastId: number, code: ErrorCode, fact: string): void {
    for (const request of this.#pending.values()) if (request.id > lastId) this.#settle(request, code, fact, "unsent");
    this.#failUnsent(code, fact);
  }

  lost(code: ErrorCode, fact: string, cause: unknown): void {
    this.#current = undefined;
    for (const request of this.#pending.values()) this.#settle(request, code, fact, "unknown", { cause });
    this.#failUnsent(code, fact, { cause });
  }

  /** Those whose time is up; the caller cancels them. */
  takeDue(now: number): Request[] {
    return this.#deadlines?.expire(now) ?? [];
  }

  /** Moves on what waits for a place. */
  advance(): void {
    if (this.#waiting.isEmpty) return;
    for (;;) {
      const request = this.#waiting.shift(this.#pending.size + this.#queued - this.#system, this.#refuse);
      if (request === undefined) break;
      this.#enqueue(request);
    }
    this.#host.requestFlush();
  }

  #enqueue(request: Request): void {
    request.state = "queued";
    this.#queued++;
    this.#output?.push(request);
  }

  /** @param request one that is not in the queue */
  readonly #refuse = (request: Request, { code, fact }: Excess): void => {
    request.state = "settled";
    this.#deadlines?.delete(request);
    closeDescriptors(this.#host, request);
    request.outgoing?.discard();
    request.letGo();
    request.onFailure(code, `the message ${fact}`, "unsent");
  };

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

  /** Frees everything that a request holds, whatever its state. */
  #release(request: Request): void {
    const { state } = request;
    request.state = "settled";
    if (request.isSystem && state !== "settled") this.#system--;
    closeDescriptors(this.#host, request);
    // The rest of a reply that is half there concerns nobody.
    if (this.#current === request) this.#current = undefined;
    this.#deadlines?.delete(request);
    if (request.incoming !== undefined) this.#streams.close(request.incoming);
    if (state === "waiting") this.#waiting.drop(request);
    else if (state === "queued") {
      this.#queued--;
      this.#output?.dropWaiting(request);
    } else {
      this.#pending.delete(request.id);
      request.assembly = undefined;
      if (request.sentBytes > 0 || request.outgoing !== undefined) this.#output?.dropRest(request);
    }
    request.outgoing?.discard();
    request.onOver();
    request.letGo();
    this.advance();
  }
}
