import type { Assembly } from "./assembly.js";
import { Deadlines } from "./deadlines.js";
import { Dispatcher } from "./dispatcher.js";
import type { ExchangeParts, FramedMemory } from "./framed-options.js";
import { IdTable } from "./id-table.js";
import type { Incoming } from "./incoming.js";
import type { Output } from "./output.js";
import { Exchange, type SessionHost } from "./session.js";
import type { Streams } from "./streams.js";

/** With so many descriptors in hand reading stops, so that no caller uses up those of the process. */
export const MAX_HELD_DESCRIPTORS = 512;

export class IncomingExchange extends Exchange implements Incoming {
  assembly: Assembly | undefined = undefined;
  deadlineMs = -1;

  // As for `Request`.
  constructor(id: number) {
    super(id);
  }
}

/** So many SYSTEM exchanges may be unanswered before reading stops. Most are answered at once; subscriptions stay. */
export const MAX_SYSTEM = 4_096;

/** The exchanges that the other side began, and what they hold: until both directions are over. */
export class Exchanges {
  heldBytes = 0;
  /** How many have not come far enough to be handed on. */
  receiving = 0;
  output: Output<Exchange> | undefined;

  readonly #host: SessionHost;
  readonly #memory: FramedMemory;
  readonly #streams: Streams;
  readonly #table = new IdTable<IncomingExchange>();
  readonly #dispatcher: Dispatcher<IncomingExchange>;
  #deadlines: Deadlines<Exchange> | undefined;
  #heldDescriptors = 0;
  /** SYSTEM exchanges take no place of a message. */
  #system = 0;

  constructor({ host, limits, memory, streams }: ExchangeParts) {
    this.#host = host;
    this.#memory = memory;
    this.#streams = streams;
    this.#dispatcher = new Dispatcher(limits.maxInFlight, (exchange) => host.onExchange(exchange));
  }

  get isIdle(): boolean {
    return this.#table.size === 0;
  }

  /** True while a handler runs, even if nobody waits for it any more. */
  get isHandling(): boolean {
    return this.#dispatcher.isHandling;
  }

  get isCongested(): boolean {
    return this.#dispatcher.isFull || this.#system >= MAX_SYSTEM || this.#heldDescriptors >= MAX_HELD_DESCRIPTORS;
  }

  get nextDeadline(): number {
    return this.#deadlines?.next ?? Infinity;
  }

  /** One begins. */
  add(exchange: IncomingExchange): void {
    this.#heldDescriptors += exchange.received.length;
    this.receiving++;
    this.#table.set(exchange.id, exchange);
  }

  /** One begins that is complete, with so many bytes. */
  addWhole(exchange: IncomingExchange, bytes: number): void {
    this.#table.set(exchange.id, exchange);
    this.heldBytes += bytes;
    exchange.heldBytes = bytes;
    this.#dispatcher.push(exchange);
  }

  /** @returns `undefined` for one that is over @throws EarshotError `PROTOCOL_VIOLATION` for one that never began */
  find(id: number, what: string): IncomingExchange | undefined {
    return this.#table.find(id, this.#memory.lastId, what);
  }

  /** All, the oldest first. */
  values(): IncomingExchange[] {
    return this.#table.values();
  }

  /** So many bytes of its message have come. */
  hold(exchange: IncomingExchange, bytes: number): void {
    this.heldBytes += bytes - exchange.heldBytes;
    exchange.heldBytes = bytes;
  }

  /** It can be handed on. */
  makeReady(exchange: IncomingExchange): void {
    this.receiving--;
    this.startDeadline(exchange);
    if (exchange.isSystem) this.#handOnSystem(exchange);
    else this.#dispatcher.push(exchange);
  }

  #handOnSystem(exchange: IncomingExchange): void {
    this.#system++;
    exchange.state = "handling";
    this.#host.onExchange(exchange);
  }

  /** It is over, and its handler done with it. */
  #leave(exchange: Exchange): void {
    if (exchange.isSystem) this.#system--;
    else this.#dispatcher.leave();
  }

  /** The time that the caller has left counts from the first frame on. */
  startDeadline(exchange: IncomingExchange): void {
    if (exchange.deadlineMs < 0 || exchange.deadlineAt !== Infinity) return;
    exchange.deadlineAt = this.#host.now() + exchange.deadlineMs;
    this.#deadlines ??= new Deadlines();
    this.#deadlines.add(exchange);
  }

  /** Its handler answers, with so many bytes; false when nobody waits for it any more. */
  answer(exchange: Exchange, bytes: number): boolean {
    if (exchange.state !== "handling") {
      if (exchange.state === "gone") this.done(exchange);
      return false;
    }
    exchange.state = "answered";
    exchange.isHandled = true;
    exchange.heldBytes += bytes;
    this.heldBytes += bytes;
    this.#deadlines?.delete(exchange);
    return true;
  }

  /** The answer begins, and is written to `exchange.outgoing`; false when nobody waits for it any more. */
  beginReply(exchange: Exchange): boolean {
    if (exchange.state !== "handling") return false;
    exchange.state = "replying";
    return true;
  }

  /** Ends it without an answer; false when nobody waits for one any more. */
  break(exchange: Exchange): boolean {
    const isAwaited = exchange.state === "handling" || exchange.state === "replying";
    this.done(exchange);
    if (isAwaited) this.#end(exchange);
    return isAwaited;
  }

  /** Its handler is done with it: when it is over as well, its place is free. */
  done(exchange: Exchange): void {
    if (exchange.isHandled) return;
    exchange.isHandled = true;
    if (exchange.state === "gone") this.#leave(exchange);
  }

  /** The answer is out. */
  flushed(exchange: Exchange): void {
    exchange.isOut = true;
    exchange.state = "answered";
    exchange.letGo();
    this.heldBytes -= exchange.heldBytes;
    exchange.heldBytes = 0;
    this.endMessage(exchange);
  }

  /** Forgets it when both its directions have ended: a message whose answer came early still has its end to come. */
  endMessage(exchange: Exchange): void {
    const { incoming } = exchange;
    if (incoming?.hasEnded === true) this.#streams.close(incoming);
    if (exchange.isOut && incoming?.hasEnded !== false) this.forget(exchange);
  }

  /** Nobody waits for it any more; returns true when a handler is busy with it. */
  giveUp(exchange: Exchange): boolean {
    if (exchange.state === "gone") return false;
    const isReading = exchange.incoming?.hasEnded === false && !exchange.incoming.isStopped;
    const isBusy = exchange.state === "handling" || exchange.state === "replying";
    const wasHandedOn = exchange.state !== "receiving" && exchange.state !== "ready";
    if (exchange.state === "ready") this.#dispatcher.drop(exchange as IncomingExchange);
    this.#end(exchange);
    return isBusy || (isReading && wasHandedOn);
  }

  /** The connection is gone; returns those that a handler is busy with. */
  lost(): Exchange[] {
    const all = this.#table.values();
    // First those that wait, so that none of them gets a place that becomes free.
    for (const exchange of all) if (exchange.state === "ready") this.giveUp(exchange);
    return all.filter((exchange) => this.giveUp(exchange));
  }

  /** Returns those whose callers have given up by now, and a handler is busy with. */
  expire(now: number): Exchange[] {
    return this.#deadlines?.expire(now).filter((exchange) => this.giveUp(exchange)) ?? [];
  }

  forget(exchange: Exchange): void {
    if (!this.#table.delete(exchange.id)) return;
    const { state } = exchange;
    exchange.state = "gone";
    this.#deadlines?.delete(exchange);
    exchange.letGo();
    if (state === "receiving") this.receiving--;
    if (exchange.incoming !== undefined) this.#streams.close(exchange.incoming);
    if (state === "receiving" || state === "ready") {
      // From then on they are its receiver's to close, and to read.
      this.#host.closeDescriptors(exchange.received);
      exchange.incoming?.discard();
      exchange.message?.[Symbol.dispose]();
    }
    if (exchange.descriptors.length > 0) this.#host.closeDescriptors(exchange.descriptors);
    exchange.descriptors = [];
    this.#heldDescriptors -= exchange.received.length;
    this.heldBytes -= exchange.heldBytes;
    exchange.heldBytes = 0;
    if (exchange.isHandled) this.#leave(exchange);
  }

  /** Of its answer nothing more leaves. */
  #end(exchange: Exchange): void {
    if (exchange.outgoing !== undefined) {
      this.output?.dropStream(exchange);
      exchange.outgoing.discard();
    } else if (exchange.state === "answered" && !exchange.isOut) this.output?.dropWaiting(exchange);
    exchange.body = "";
    this.forget(exchange);
  }
}
