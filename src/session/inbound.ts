import type { Message } from "../message.js";
import { type FrameDecoder, violation } from "../wire/decode.js";
import { Flag, FrameType } from "../wire/frame.js";
import type { Assembly } from "./assembly.js";
import type { ControlWriter } from "./control-writer.js";
import { Deadlines } from "./deadlines.js";
import type { DescriptorQueue } from "./descriptors.js";
import { Dispatcher, MAX_WAITING } from "./dispatcher.js";
import type { ExchangeParts, FramedMemory } from "./framed-options.js";
import { IdTable } from "./id-table.js";
import type { BodyReader, Incoming } from "./incoming.js";
import type { Output, OutputOwner } from "./output.js";
import { ProgressWatch } from "./progress.js";
import { Exchange, type SessionHost, type SessionLimits } from "./session.js";
import type { Streams } from "./streams.js";

/** With so many descriptors in hand reading stops, so that no caller uses up those of the process. */
export const MAX_HELD_DESCRIPTORS = 512;

class IncomingExchange extends Exchange implements Incoming {
  assembly: Assembly | undefined = undefined;
  deadlineMs = -1;
}

/** The messages that the other side began: from their first frame until the handler may have them, and until it is done. */
export class Inbound implements OutputOwner<Exchange> {
  readonly type = FrameType.DATA;
  heldBytes = 0;

  readonly #host: SessionHost;
  readonly #limits: SessionLimits;
  readonly #memory: FramedMemory;
  readonly #writer: ControlWriter;
  readonly #reader: BodyReader;
  readonly #streams: Streams;
  readonly #exchanges = new IdTable<IncomingExchange>();
  readonly #dispatcher: Dispatcher<IncomingExchange>;
  readonly #progress: ProgressWatch;
  #output: Output<Exchange> | undefined;
  #deadlines: Deadlines<Exchange> | undefined;
  #heldDescriptors = 0;
  #receiving = 0;
  #current: IncomingExchange | undefined;

  constructor({ host, limits, reader, memory, writer, streams }: ExchangeParts) {
    this.#host = host;
    this.#limits = limits;
    this.#reader = reader;
    this.#memory = memory;
    this.#writer = writer;
    this.#streams = streams;
    this.#dispatcher = new Dispatcher(limits.maxInFlight, (exchange) => host.onExchange(exchange));
    this.#progress = new ProgressWatch(limits.messageTimeoutMs);
  }

  set output(output: Output<Exchange>) {
    this.#output = output;
  }

  /** Where the rest of the payload that is coming in belongs. */
  readInto(bytes: number): Buffer | undefined {
    const current = this.#current;
    return current?.incoming?.spare(bytes) ?? current?.assembly?.spare(bytes);
  }

  get isIdle(): boolean {
    return this.#exchanges.size === 0;
  }

  /** True while a handler runs, even if nobody waits for it any more. */
  get isHandling(): boolean {
    return this.#dispatcher.isHandling;
  }

  get isReceiving(): boolean {
    return this.#receiving > 0;
  }

  get isCongested(): boolean {
    return this.#dispatcher.isFull || this.#heldDescriptors >= MAX_HELD_DESCRIPTORS;
  }

  /** @param isPaused whether nothing is read now; what does not come then is not the other side's delay. */
  nextDeadline(isPaused: boolean): number {
    return Math.min(this.#deadlines?.next ?? Infinity, isPaused ? Infinity : this.#progress.nextCheck);
  }

  onOpen(frame: FrameDecoder, isClosing: boolean, descriptors: DescriptorQueue): void {
    const id = frame.exchange;
    if (id <= this.#memory.lastId || id % 2 === 0) throw violation(`exchange ${id} is out of turn`);
    if (isClosing) {
      this.#memory.lastId = id;
      this.#current = undefined;
      this.#host.closeDescriptors(descriptors.take(frame.descriptors));
      return;
    }
    if (this.#receiving >= this.#limits.maxInFlight + MAX_WAITING) {
      throw violation(`more than ${this.#limits.maxInFlight} unfinished messages at once`);
    }
    this.#memory.lastId = id;
    this.#reader.begin(frame, true);
    this.#current = new IncomingExchange(id);
    this.#current.isSystem = (frame.flags & Flag.SYSTEM) !== 0;
    this.#current.isStreamed = this.#limits.takesStreams && !this.#current.isSystem;
    this.#current.received = descriptors.take(frame.descriptors);
    this.#heldDescriptors += frame.descriptors;
    this.#receiving++;
    this.#exchanges.set(id, this.#current);
  }

  onData(frame: FrameDecoder): void {
    // The rest of a message that was refused or given up is on its way still.
    const exchange = this.find(frame.exchange, "data for");
    this.#current = undefined;
    if (exchange === undefined) return;
    if (frame.descriptors > 0) throw violation("a later frame of a message that has descriptors");
    if (exchange.state !== "receiving" && exchange.incoming?.hasEnded !== false) {
      throw violation(`data after the end of exchange ${frame.exchange}`);
    }
    this.#reader.begin(frame, false);
    this.#current = exchange;
  }

  onPayload(frame: FrameDecoder, bytes: Buffer, start: number, end: number): void {
    const exchange = this.#current;
    if (exchange === undefined) return;
    const progress = this.#reader.take(frame, exchange, bytes, start, end);
    if (progress === "too-large") {
      this.#forget(exchange);
      this.#current = undefined;
      this.#writer.sendReset(exchange.id, "MESSAGE_TOO_LARGE", `the limit is ${this.#limits.maxMessageBytes} bytes`);
    } else if (progress !== "more" && progress !== "ended") this.#complete(exchange, progress);
    else if (exchange.assembly !== undefined) this.#hold(exchange, exchange.assembly);
    else if (exchange.incoming !== undefined) {
      if (progress === "ended") this.#current = undefined;
      if (exchange.state === "receiving") this.#makeReady(exchange);
      if (progress === "ended") this.#endMessage(exchange);
    }
  }

  /** The other side gave up. */
  onReset(id: number): Exchange | undefined {
    const exchange = this.find(id, "a reset of");
    return exchange !== undefined && this.#giveUp(exchange) ? exchange : undefined;
  }

  /** @returns `undefined` for one that is over @throws EarshotError `PROTOCOL_VIOLATION` for one that never began */
  find(id: number, what: string): IncomingExchange | undefined {
    return this.#exchanges.find(id, this.#memory.lastId, what);
  }

  /** The answer to an exchange begins, and is written to `exchange.outgoing`; false when nobody waits for it any more. */
  beginReply(exchange: Exchange): boolean {
    if (exchange.state !== "handling") return false;
    exchange.state = "replying";
    return true;
  }

  /** An answer to an exchange is ready to leave, or to be refused; false when nobody waits for it any more. */
  answer(exchange: Exchange, bytes: number): boolean {
    if (exchange.state === "handling" || exchange.state === "replying") {
      this.#dropReply(exchange);
      exchange.state = "answered";
      exchange.heldBytes += bytes;
      this.heldBytes += bytes;
      this.#deadlines?.delete(exchange);
      return true;
    }
    this.leaveIfGone(exchange);
    return false;
  }

  /** One that was given up while its handler ran: only now has its place become free. */
  leaveIfGone(exchange: Exchange): void {
    if (exchange.state !== "gone" || exchange.isOut) return;
    exchange.isOut = true;
    this.#dispatcher.leave();
  }

  now(): number {
    return this.#host.now();
  }

  begin(exchange: Exchange): number {
    return exchange.id;
  }

  /** The answer to an exchange is out. */
  flushed(exchange: Exchange): void {
    exchange.isOut = true;
    exchange.state = "answered";
    this.#endMessage(exchange);
    this.#dispatcher.leave();
  }

  /** An exchange ended without an answer, and the other side was told. */
  broken(exchange: Exchange): void {
    exchange.isOut = true;
    this.#forget(exchange);
    exchange.state = "gone";
    this.#dispatcher.leave();
  }

  /** The connection is gone; returns those that a handler is busy with. */
  lost(): Exchange[] {
    this.#current = undefined;
    const all = this.#exchanges.values();
    const handling = all.filter((exchange) => this.#giveUp(exchange));
    for (const answered of all) this.#forget(answered);
    return handling;
  }

  /** Returns those whose callers have given up by now. @throws EarshotError when a message makes no progress. */
  tick(now: number, isPaused: boolean): Exchange[] {
    if (!isPaused && now >= this.#progress.nextCheck) this.#progress.check(now, this.#exchanges.values());
    const due = this.#deadlines?.expire(now) ?? [];
    return due.filter(
      (exchange) => this.#exchanges.get(exchange.id) === exchange && this.#giveUp(exchange as IncomingExchange),
    );
  }

  /** Reading goes on after a pause. */
  resumed(now: number): void {
    this.#progress.resumed(now, this.#exchanges.values());
  }

  #hold(exchange: IncomingExchange, assembly: Assembly): void {
    this.#startDeadline(exchange);
    this.heldBytes += assembly.length - exchange.heldBytes;
    exchange.heldBytes = assembly.length;
    this.#progress.begin(assembly);
  }

  #complete(exchange: IncomingExchange, message: Message): void {
    this.#current = undefined;
    exchange.assembly = undefined;
    exchange.message = message;
    this.heldBytes += message.byteLength - exchange.heldBytes;
    exchange.heldBytes = message.byteLength;
    this.#makeReady(exchange);
  }

  #makeReady(exchange: IncomingExchange): void {
    this.#receiving--;
    this.#startDeadline(exchange);
    this.#dispatcher.push(exchange);
  }

  /** Forgets an exchange when both its directions have ended: a message whose answer came early still has its end to come. */
  #endMessage(exchange: Exchange): void {
    const { incoming } = exchange;
    if (incoming?.hasEnded === true) this.#streams.close(incoming);
    if (!exchange.isOut || incoming?.hasEnded === false) return;
    this.#deadlines?.delete(exchange);
    this.#forget(exchange);
    exchange.state = "gone";
  }

  /** The time that the caller has left counts from the first frame on. */
  #startDeadline(exchange: IncomingExchange): void {
    if (exchange.deadlineMs < 0 || exchange.deadlineAt !== Infinity) return;
    exchange.deadlineAt = this.#host.now() + exchange.deadlineMs;
    this.#deadlines ??= new Deadlines();
    this.#deadlines.add(exchange);
  }

  /** Returns true when a handler is busy with it. */
  #giveUp(exchange: IncomingExchange): boolean {
    if (exchange === this.#current) this.#current = undefined;
    const isReading = exchange.isOut && exchange.incoming?.isStopped === false;
    const wasHandling = exchange.state === "handling" || exchange.state === "replying" || isReading;
    if (exchange.state === "answered" && !exchange.isOut) return false;
    if (exchange.state === "ready") this.#dispatcher.drop(exchange);
    this.#dropReply(exchange);
    this.#deadlines?.delete(exchange);
    this.#forget(exchange);
    exchange.state = "gone";
    return wasHandling;
  }

  /** Of an answer that is written bit by bit, nothing more leaves. */
  #dropReply(exchange: Exchange): void {
    if (exchange.outgoing === undefined) return;
    this.#output?.dropStream(exchange);
    exchange.outgoing.discard();
  }

  #forget(exchange: Exchange): void {
    if (!this.#exchanges.delete(exchange.id)) return;
    if (exchange.state === "receiving") this.#receiving--;
    if (exchange.incoming !== undefined) this.#streams.close(exchange.incoming);
    // Those of a message that was handed on are its receiver's to close.
    if (exchange.state === "receiving" || exchange.state === "ready") this.#host.closeDescriptors(exchange.received);
    if (exchange.descriptors.length > 0) this.#host.closeDescriptors(exchange.descriptors);
    exchange.descriptors = [];
    this.#heldDescriptors -= exchange.received.length;
    this.heldBytes -= exchange.heldBytes;
    exchange.heldBytes = 0;
  }
}
