import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import { type FrameDecoder, violation } from "../wire/decode.js";
import type { FailureName } from "../wire/failure.js";
import { Flag, FrameType } from "../wire/frame.js";
import type { Assembly } from "./assembly.js";
import { Deadlines } from "./deadlines.js";
import type { DescriptorQueue } from "./descriptors.js";
import { Fifo } from "./fifo.js";
import { IdTable } from "./id-table.js";
import type { BodyReader, Incoming } from "./incoming.js";
import type { OutputOwner } from "./output.js";
import { Exchange, type SessionHost, type SessionLimits } from "./session.js";

/** So many complete messages may wait behind `maxInFlight` before reading stops: a client's first burst fits. */
export const MAX_WAITING = 64;
/** With so many descriptors in hand reading stops, so that no caller uses up those of the process. */
export const MAX_HELD_DESCRIPTORS = 512;
/** An unfinished message must bring this much in each window of `messageTimeoutMs`, or its end. */
export const MIN_PROGRESS_BYTES = 65_536;

/** Outlives this object: what has to be known of the exchanges that are over. */
interface Memory {
  /** The highest exchange that was seen. */
  lastId: number;
}

/** Who can tell the other side that an exchange has ended. */
export interface Resetter {
  sendReset(id: number, code: FailureName, text?: string): void;
}

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
  readonly #memory: Memory;
  readonly #resetter: Resetter;
  readonly #reader: BodyReader;
  readonly #exchanges = new IdTable<IncomingExchange>();
  readonly #ready = new Fifo<IncomingExchange>();
  #deadlines: Deadlines<Exchange> | undefined;
  #heldDescriptors = 0;
  #receiving = 0;
  #inFlight = 0;
  #isDispatching = false;
  #current: IncomingExchange | undefined;
  #nextProgressCheck = Infinity;

  constructor(host: SessionHost, limits: SessionLimits, reader: BodyReader, memory: Memory, resetter: Resetter) {
    this.#host = host;
    this.#limits = limits;
    this.#reader = reader;
    this.#memory = memory;
    this.#resetter = resetter;
  }

  /** Where the rest of the payload that is coming in belongs. */
  readInto(bytes: number): Buffer | undefined {
    return this.#current?.assembly?.spare(bytes);
  }

  get isIdle(): boolean {
    return this.#exchanges.size === 0;
  }

  /** True while a handler runs, even if nobody waits for it any more. */
  get isHandling(): boolean {
    return this.#inFlight > 0;
  }

  get isReceiving(): boolean {
    return this.#receiving > 0;
  }

  get isCongested(): boolean {
    return this.#ready.size >= MAX_WAITING || this.#heldDescriptors >= MAX_HELD_DESCRIPTORS;
  }

  /** @param isPaused whether nothing is read now; what does not come then is not the other side's delay. */
  nextDeadline(isPaused: boolean): number {
    return Math.min(this.#deadlines?.next ?? Infinity, isPaused ? Infinity : this.#nextProgressCheck);
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
    this.#current.received = descriptors.take(frame.descriptors);
    this.#heldDescriptors += frame.descriptors;
    this.#receiving++;
    this.#exchanges.set(id, this.#current);
  }

  onData(frame: FrameDecoder): void {
    const exchange = this.#exchanges.get(frame.exchange);
    this.#current = undefined;
    if (exchange === undefined) {
      // The rest of a message that was refused or given up is on its way still; one that never began is a mistake.
      if (frame.exchange > this.#memory.lastId)
        throw violation(`data for exchange ${frame.exchange}, which was not opened`);
      return;
    }
    if (frame.descriptors > 0) throw violation("a later frame of a message that has descriptors");
    if (exchange.state !== "receiving") throw violation(`data after the end of exchange ${frame.exchange}`);
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
      this.#resetter.sendReset(exchange.id, "MESSAGE_TOO_LARGE", `the limit is ${this.#limits.maxMessageBytes} bytes`);
    } else if (progress === "more") this.#hold(exchange);
    else this.#complete(exchange, progress);
  }

  /** The other side gave up. */
  onReset(id: number): Exchange | undefined {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) {
      if (id > this.#memory.lastId) throw violation(`a reset of exchange ${id}, which was not opened`);
      return undefined;
    }
    return this.#giveUp(exchange) ? exchange : undefined;
  }

  /** The answer to an exchange is ready to leave; false when nobody waits for it any more. */
  answer(exchange: Exchange, bytes: number): boolean {
    if (exchange.state === "handling") {
      exchange.state = "answered";
      exchange.heldBytes += bytes;
      this.heldBytes += bytes;
      this.#deadlines?.delete(exchange);
      return true;
    }
    // It was given up while its handler ran: only now has its place become free.
    if (exchange.state === "gone") {
      this.#inFlight--;
      this.dispatch();
    }
    return false;
  }

  now(): number {
    return this.#host.now();
  }

  begin(exchange: Exchange): number {
    return exchange.id;
  }

  /** The answer to an exchange is out. */
  flushed(exchange: Exchange): void {
    this.#inFlight--;
    this.#forget(exchange);
    exchange.state = "gone";
    this.dispatch();
  }

  /** Hands on as many messages as may be in flight. */
  dispatch(): void {
    // A handler that fails at once frees its place at once, and comes back here: not deeper for each of them.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    while (this.#inFlight < this.#limits.maxInFlight) {
      const exchange = this.#ready.shift();
      if (exchange === undefined) break;
      this.#inFlight++;
      exchange.state = "handling";
      this.#host.onExchange(exchange);
    }
    this.#isDispatching = false;
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
    if (!isPaused && now >= this.#nextProgressCheck) this.#checkProgress(now);
    const due = this.#deadlines?.expire(now) ?? [];
    return due.filter(
      (exchange) => this.#exchanges.get(exchange.id) === exchange && this.#giveUp(exchange as IncomingExchange),
    );
  }

  #hold(exchange: IncomingExchange): void {
    const { assembly } = exchange;
    if (assembly === undefined) return;
    if (exchange.deadlineAt === Infinity) this.#startDeadline(exchange);
    this.heldBytes += assembly.length - exchange.heldBytes;
    exchange.heldBytes = assembly.length;
    if (this.#limits.messageTimeoutMs > 0 && this.#nextProgressCheck === Infinity) {
      this.#nextProgressCheck = assembly.windowStart + this.#limits.messageTimeoutMs;
    }
  }

  #complete(exchange: IncomingExchange, message: Message): void {
    this.#current = undefined;
    this.#receiving--;
    exchange.assembly = undefined;
    exchange.message = message;
    exchange.state = "ready";
    this.heldBytes += message.byteLength - exchange.heldBytes;
    exchange.heldBytes = message.byteLength;
    if (exchange.deadlineAt === Infinity) this.#startDeadline(exchange);
    this.#ready.push(exchange);
    this.dispatch();
  }

  /** The time that the caller has left counts from the first frame on. */
  #startDeadline(exchange: IncomingExchange): void {
    if (exchange.deadlineMs < 0) return;
    exchange.deadlineAt = this.#host.now() + exchange.deadlineMs;
    this.#deadlines ??= new Deadlines();
    this.#deadlines.add(exchange);
  }

  /** Returns true when a handler is busy with it. */
  #giveUp(exchange: IncomingExchange): boolean {
    if (exchange === this.#current) this.#current = undefined;
    const wasHandling = exchange.state === "handling";
    if (exchange.state === "answered") return false;
    if (exchange.state === "ready") this.#ready.drop(exchange);
    this.#deadlines?.delete(exchange);
    this.#forget(exchange);
    exchange.state = "gone";
    return wasHandling;
  }

  #forget(exchange: Exchange): void {
    if (!this.#exchanges.delete(exchange.id)) return;
    if (exchange.state === "receiving") this.#receiving--;
    // Those of a message that was handed on are its receiver's to close.
    if (exchange.state === "receiving" || exchange.state === "ready") this.#host.closeDescriptors(exchange.received);
    if (exchange.descriptors.length > 0) this.#host.closeDescriptors(exchange.descriptors);
    exchange.descriptors = [];
    this.#heldDescriptors -= exchange.received.length;
    this.heldBytes -= exchange.heldBytes;
    exchange.heldBytes = 0;
  }

  #checkProgress(now: number): void {
    let next = Infinity;
    const windowMs = this.#limits.messageTimeoutMs;
    for (const { state, assembly } of this.#exchanges.values()) {
      if (state !== "receiving" || assembly === undefined) continue;
      if (assembly.windowBytes >= MIN_PROGRESS_BYTES) {
        assembly.windowStart = now;
        assembly.windowBytes = 0;
      } else if (now - assembly.windowStart >= windowMs) {
        const fact = `an unfinished message brought fewer than ${MIN_PROGRESS_BYTES} bytes in ${windowMs} ms`;
        throw new EarshotError("TIMEOUT", `Cannot receive the message: ${fact}`, { op: "receive" });
      }
      next = Math.min(next, assembly.windowStart + windowMs);
    }
    this.#nextProgressCheck = next;
  }

  /** Reading goes on after a pause: every unfinished message begins a new window. */
  resumed(now: number): void {
    for (const { assembly } of this.#exchanges.values()) {
      if (assembly !== undefined) assembly.windowStart = now;
    }
  }
}
