import { EarshotError } from "../errors.js";
import type { Exchange } from "../session/session.js";
import type { Connection } from "./connection.js";
import { DrainRate } from "./drain-rate.js";
import { FairQueue, type Place } from "./fair-queue.js";
import { type Logger, withDefaults } from "./options.js";
import { Queue } from "./queue.js";
import type { Time } from "./time.js";

/** What a server does when its handlers cannot keep up. All times in milliseconds, 0 for no limit. */
export interface OverloadOptions {
  /** How many messages of all connections are handled at a time; default 1,024. The next ones wait. */
  readonly maxHandling?: number | undefined;
  /** How many may wait; default 4,096. With one too many, the newest of whoever has most waiting is told `OVERLOADED`. */
  readonly maxWaiting?: number | undefined;
  /** How long one may wait before it is told `OVERLOADED`; default 5 s. */
  readonly maxWaitingMs?: number | undefined;
}

/** What `overload` means where it says nothing. */
export const OVERLOAD_DEFAULTS = { maxHandling: 1_024, maxWaiting: 4_096, maxWaitingMs: 5_000 } as const;

export type OverloadNumbers = { readonly [K in keyof typeof OVERLOAD_DEFAULTS]: number };

/** @returns `undefined` where nothing is asked for: then there are no limits but those of each connection @throws EarshotError */
export function checkOverload(options: OverloadOptions | undefined): OverloadNumbers | undefined {
  if (options === undefined) return undefined;
  if (typeof options === "object" && options !== null)
    return withDefaults({ ...options }, OVERLOAD_DEFAULTS, "overload.");
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use overload: ${String(options)}; it is an object of options`);
}

/** So many places of what does not wait any more are not worth to be looked for. */
const MAX_DEAD = 64;

/** A message that waits. */
interface Waiting<C> {
  readonly connection: C;
  readonly exchange: Exchange;
  readonly until: number;
}

/** What is needed of a connection. */
export type AdmittedConnection = Pick<Connection, "id" | "transport" | "fail" | "closeDescriptors">;

/** Lets a server handle so many messages at a time; of the others, some wait, fairly, and the rest hear when to come back. */
export class Admission<C extends AdmittedConnection = Connection> {
  readonly #limits: OverloadNumbers;
  readonly #handle: (connection: C, exchange: Exchange) => void;
  readonly #time: Time;
  readonly #logger: Logger;
  readonly #handling = new Set<Exchange>();
  readonly #queue = new FairQueue<Waiting<C>>();
  readonly #places = new Map<Exchange, Place<Waiting<C>>>();
  /** All that wait, those that came first first, and some that do not any more. */
  readonly #byAge = new Queue<Place<Waiting<C>>>();
  readonly #users = new WeakMap<AdmittedConnection, unknown>();
  readonly #rate = new DrainRate();
  #isAdvancing = false;
  #hasTimer = false;
  /** Whether it was logged that it sheds, since it last had nothing waiting. */
  #isTold = false;

  constructor(
    limits: OverloadNumbers,
    handle: (connection: C, exchange: Exchange) => void,
    logger: Logger,
    time: Time,
  ) {
    this.#limits = limits;
    this.#handle = handle;
    this.#logger = logger;
    this.#time = time;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** A message has come. */
  admit(connection: C, exchange: Exchange): void {
    if (this.#queue.size === 0 && this.#handling.size < this.#limits.maxHandling) this.#begin(connection, exchange);
    else if (this.#makeRoom(connection)) this.#wait(connection, exchange);
    else this.#shed({ connection, exchange }, this.#fullFact());
  }

  /** One is answered, or has failed. What was not let in, or was answered before, does not matter. */
  leave(exchange: Exchange): void {
    if (!this.#handling.delete(exchange) || this.#queue.size === 0) return;
    this.#rate.finished(this.#time.now());
    this.#advance();
  }

  /** Nobody waits for its answer any more; true when it has not begun, and so is over. */
  giveUp(exchange: Exchange): boolean {
    const place = this.#places.get(exchange);
    if (place === undefined) return false;
    this.#queue.drop(place);
    this.#places.delete(exchange);
    this.#refuse(place.item, "CANCELLED", "its caller is gone");
    return true;
  }

  #begin(connection: C, exchange: Exchange): void {
    this.#handling.add(exchange);
    this.#handle(connection, exchange);
  }

  /** A handler that is done at once frees its place at once, and comes back here: not deeper for each of them. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#handling.size < this.#limits.maxHandling) {
      const place = this.#queue.shift();
      if (place === undefined) break;
      const { connection, exchange } = place.item;
      this.#places.delete(exchange);
      this.#begin(connection, exchange);
    }
    this.#isAdvancing = false;
    if (this.#queue.size === 0) this.#isTold = false;
  }

  /** False when whoever asks has most waiting himself. */
  #makeRoom(connection: C): boolean {
    if (this.#queue.size < this.#limits.maxWaiting) return true;
    const place = this.#queue.popLongest(this.#userOf(connection), connection);
    if (place === undefined) return false;
    this.#places.delete(place.item.exchange);
    this.#shed(place.item, this.#fullFact());
    return true;
  }

  #fullFact(): string {
    return `${this.#limits.maxWaiting} messages wait already (overload.maxWaiting)`;
  }

  #wait(connection: C, exchange: Exchange): void {
    const { maxWaitingMs } = this.#limits;
    const now = this.#time.now();
    if (this.#queue.size === 0) this.#rate.begin(now);
    const item = { connection, exchange, until: maxWaitingMs === 0 ? Infinity : now + maxWaitingMs };
    const place = this.#queue.push(this.#userOf(connection), connection, item);
    this.#places.set(exchange, place);
    if (maxWaitingMs === 0) return;
    this.#byAge.push(place);
    this.#skipGone();
    if (this.#byAge.size > 2 * this.#queue.size + MAX_DEAD) this.#byAge.keep(({ isGone }) => !isGone);
    this.#setTimer(now);
  }

  /** Brings the one that has waited longest to the head. */
  #skipGone(): void {
    while (this.#byAge.peek()?.isGone) this.#byAge.shift();
  }

  #setTimer(now: number): void {
    if (this.#hasTimer) return;
    this.#skipGone();
    const oldest = this.#byAge.peek();
    if (oldest === undefined) return;
    this.#hasTimer = true;
    const timer = this.#time.after(Math.max(1, Math.ceil(oldest.item.until - now)), () => this.#expire());
    // It is not worth staying for: whose message waits has a connection.
    timer.keepAlive(false);
  }

  #expire(): void {
    this.#hasTimer = false;
    const now = this.#time.now();
    const fact = `it has waited for ${this.#limits.maxWaitingMs} ms (overload.maxWaitingMs)`;
    for (let oldest = this.#byAge.peek(); oldest !== undefined; oldest = this.#byAge.peek()) {
      if (!oldest.isGone && oldest.item.until > now) break;
      this.#byAge.shift();
      if (oldest.isGone) continue;
      this.#queue.drop(oldest);
      this.#places.delete(oldest.item.exchange);
      this.#shed(oldest.item, fact);
    }
    this.#setTimer(now);
  }

  #shed(waiting: Omit<Waiting<C>, "until">, fact: string): void {
    const hint = this.#rate.hint(this.#queue.size);
    if (!this.#isTold) {
      this.#isTold = true;
      const about = { peer: waiting.connection.id, handling: this.#handling.size, waiting: this.#queue.size };
      this.#logger.warn(about, `overloaded, and refuses messages: ${fact}`);
    }
    this.#refuse(waiting, "OVERLOADED", `the server is overloaded: ${fact}; come back in ${hint} ms`, String(hint));
  }

  #refuse(
    { connection, exchange }: Omit<Waiting<C>, "until">,
    code: "OVERLOADED" | "CANCELLED",
    text: string,
    hint?: string,
  ): void {
    connection.closeDescriptors(exchange.received);
    exchange.incoming?.discard();
    exchange.message?.[Symbol.dispose]();
    connection.fail(exchange, code, text, hint);
  }

  /** Who calls, where the kernel tells; else each connection is a user of its own. */
  #userOf(connection: C): unknown {
    if (!this.#users.has(connection)) {
      this.#users.set(connection, connection.transport.credentials?.uid ?? connection);
    }
    return this.#users.get(connection);
  }
}
