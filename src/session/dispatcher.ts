import { Fifo } from "./fifo.js";
import type { Exchange } from "./session.js";

/** So many complete messages may wait behind `maxInFlight` before reading stops: a client's first burst fits. */
export const MAX_WAITING = 64;

/** Hands messages on, so many at a time. */
export class Dispatcher<T extends Exchange> {
  readonly #maxInFlight: number;
  readonly #handle: (exchange: T) => void;
  readonly #ready = new Fifo<T>();
  #inFlight = 0;
  #isDispatching = false;

  constructor(maxInFlight: number, handle: (exchange: T) => void) {
    this.#maxInFlight = maxInFlight;
    this.#handle = handle;
  }

  /** True while a handler runs, even if nobody waits for it any more. */
  get isHandling(): boolean {
    return this.#inFlight > 0;
  }

  get isFull(): boolean {
    return this.#ready.size >= MAX_WAITING;
  }

  push(exchange: T): void {
    exchange.state = "ready";
    if (this.#isDispatching || this.#ready.size > 0 || this.#inFlight >= this.#maxInFlight) {
      this.#ready.push(exchange);
      this.#dispatch();
      return;
    }
    // Most need not wait for anybody.
    this.#isDispatching = true;
    this.#handOn(exchange);
    this.#isDispatching = false;
    if (this.#ready.size > 0) this.#dispatch();
  }

  /** @param exchange one that waits */
  drop(exchange: T): void {
    this.#ready.drop(exchange);
  }

  /** One that was handed on is done: its place is free. */
  leave(): void {
    this.#inFlight--;
    if (this.#ready.size > 0) this.#dispatch();
  }

  #dispatch(): void {
    // A handler that fails at once frees its place at once, and comes back here: not deeper for each of them.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    while (this.#inFlight < this.#maxInFlight) {
      const exchange = this.#ready.shift();
      if (exchange === undefined) break;
      this.#handOn(exchange);
    }
    this.#isDispatching = false;
  }

  #handOn(exchange: T): void {
    this.#inFlight++;
    exchange.state = "handling";
    this.#handle(exchange);
  }
}
