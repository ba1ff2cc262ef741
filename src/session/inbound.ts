import type { Message } from "../message.js";
import { type FrameDecoder, violation } from "../wire/decode.js";
import { Flag, FrameType } from "../wire/frame.js";
import type { Assembly } from "./assembly.js";
import type { ControlWriter } from "./control-writer.js";
import type { DescriptorQueue } from "./descriptors.js";
import { MAX_WAITING } from "./dispatcher.js";
import { Exchanges, IncomingExchange } from "./exchanges.js";
import type { ExchangeParts, FramedMemory } from "./framed-options.js";
import type { BodyReader } from "./incoming.js";
import type { Output } from "./output.js";
import type { OutputOwner } from "./output-owner.js";
import { ProgressWatch } from "./progress.js";
import type { Exchange, SessionHost, SessionLimits } from "./session.js";

/** The messages that the other side began: from their first frame until the handler may have them. */
export class Inbound implements OutputOwner<Exchange> {
  readonly type = FrameType.DATA;
  readonly exchanges: Exchanges;

  readonly #host: SessionHost;
  readonly #limits: SessionLimits;
  readonly #memory: FramedMemory;
  readonly #writer: ControlWriter;
  readonly #reader: BodyReader;
  readonly #progress: ProgressWatch;
  #current: IncomingExchange | undefined;

  constructor(parts: ExchangeParts) {
    this.#host = parts.host;
    this.#limits = parts.limits;
    this.#reader = parts.reader;
    this.#memory = parts.memory;
    this.#writer = parts.writer;
    this.exchanges = new Exchanges(parts);
    this.#progress = new ProgressWatch(parts.limits.messageTimeoutMs);
  }

  set output(output: Output<Exchange>) {
    this.exchanges.output = output;
  }

  /** Where the rest of the payload that is coming in belongs. */
  readInto(bytes: number): Buffer | undefined {
    const current = this.#current;
    return current?.incoming?.spare(bytes) ?? current?.assembly?.spare(bytes);
  }

  get heldBytes(): number {
    return this.exchanges.heldBytes;
  }

  get isIdle(): boolean {
    return this.exchanges.isIdle;
  }

  get isReceiving(): boolean {
    return this.exchanges.receiving > 0;
  }

  /** @param isPaused whether nothing is read now; what does not come then is not the other side's delay. */
  nextDeadline(isPaused: boolean): number {
    return Math.min(this.exchanges.nextDeadline, isPaused ? Infinity : this.#progress.nextCheck);
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
    if (this.exchanges.receiving >= this.#limits.maxInFlight + MAX_WAITING) {
      throw violation(`more than ${this.#limits.maxInFlight} unfinished messages at once`);
    }
    this.#memory.lastId = id;
    this.#reader.begin(frame, true);
    this.#current = new IncomingExchange(id);
    this.#current.isSystem = (frame.flags & Flag.SYSTEM) !== 0;
    this.#current.isStreamed = this.#limits.takesStreams && !this.#current.isSystem;
    this.#current.received = descriptors.take(frame.descriptors);
    this.exchanges.add(this.#current);
  }

  /** Most messages come so, and take no more than this. @returns false if it is to be taken bit by bit */
  takeWhole(frame: FrameDecoder, bytes: Buffer, start: number, end: number): boolean {
    const id = frame.exchange;
    // What breaks the rules is found by the other way.
    if (frame.type !== FrameType.OPEN || !frame.isBare || id <= this.#memory.lastId || id % 2 === 0) return false;
    const message = this.#reader.takeWhole(bytes, start, end);
    if (message === undefined) return false;
    this.#memory.lastId = id;
    const exchange = new IncomingExchange(id);
    exchange.isStreamed = this.#limits.takesStreams;
    exchange.message = message;
    this.exchanges.addWhole(exchange, end - start);
    return true;
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
    // It may have ended in the middle of a frame: of its stream, when its handler failed.
    if (exchange === undefined || exchange.state === "gone") return;
    const progress = this.#reader.take(frame, exchange, bytes, start, end);
    if (progress === "too-large") {
      this.exchanges.forget(exchange);
      this.#writer.sendReset(exchange.id, "MESSAGE_TOO_LARGE", `the limit is ${this.#limits.maxMessageBytes} bytes`);
    } else if (progress !== "more" && progress !== "ended") this.#complete(exchange, progress);
    else if (exchange.assembly !== undefined) this.#hold(exchange, exchange.assembly);
    else if (exchange.incoming !== undefined) {
      if (exchange.state === "receiving") this.exchanges.makeReady(exchange);
      if (progress === "ended") this.exchanges.endMessage(exchange);
    }
  }

  /** The other side gave up. */
  onReset(id: number): Exchange | undefined {
    const exchange = this.find(id, "a reset of");
    return exchange !== undefined && this.exchanges.giveUp(exchange) ? exchange : undefined;
  }

  /** @returns `undefined` for one that is over @throws EarshotError `PROTOCOL_VIOLATION` for one that never began */
  find(id: number, what: string): IncomingExchange | undefined {
    return this.exchanges.find(id, what);
  }

  now(): number {
    return this.#host.now();
  }

  begin(exchange: Exchange): number {
    return exchange.id;
  }

  flushed(exchange: Exchange): void {
    this.exchanges.flushed(exchange);
  }

  /** The connection is gone; returns those that a handler is busy with. */
  lost(): Exchange[] {
    this.#current = undefined;
    return this.exchanges.lost();
  }

  /** Returns those whose callers have given up by now. @throws EarshotError when a message makes no progress. */
  tick(now: number, isPaused: boolean): Exchange[] {
    if (!isPaused && now >= this.#progress.nextCheck) this.#progress.check(now, this.exchanges.values());
    return this.exchanges.expire(now);
  }

  /** Reading goes on after a pause. */
  resumed(now: number): void {
    this.#progress.resumed(now, this.exchanges.values());
  }

  #hold(exchange: IncomingExchange, assembly: Assembly): void {
    this.exchanges.startDeadline(exchange);
    this.exchanges.hold(exchange, assembly.length);
    this.#progress.begin(assembly);
  }

  #complete(exchange: IncomingExchange, message: Message): void {
    this.#current = undefined;
    exchange.assembly = undefined;
    exchange.message = message;
    this.exchanges.hold(exchange, message.byteLength);
    this.exchanges.makeReady(exchange);
  }
}
