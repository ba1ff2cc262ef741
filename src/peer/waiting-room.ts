import type { Delivery, EarshotError, ErrorCode } from "../errors.js";
import { factOf } from "../errors.js";
import { Deadlines } from "../session/deadlines.js";
import type { FailureDetails, Request } from "../session/session.js";
import type { Channel } from "./channel.js";
import type { Time, Timer } from "./time.js";

/** What may wait at a time. */
export interface WaitingLimits {
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

/** How a request waits. */
export interface Waiting {
  readonly request: Request;
  /** Through failed attempts, until it is sent or its own time is over. */
  readonly persists: boolean;
  /** Not to be sent before; 0 for at once. */
  readonly notBefore: number;
  /** How it is handed over, to a connection that is there. */
  readonly hand: (channel: Channel) => void;
}

class Place implements Waiting {
  readonly request: Request;
  readonly persists: boolean;
  readonly notBefore: number;
  readonly hand: (channel: Channel) => void;
  readonly bytes: number;

  constructor({ request, persists, notBefore, hand }: Waiting) {
    this.request = request;
    this.persists = persists;
    this.notBefore = notBefore;
    this.hand = hand;
    this.bytes = typeof request.body === "string" ? Buffer.byteLength(request.body) : request.body.length;
  }

  get deadlineAt(): number {
    return this.notBefore;
  }
}

/** Requests that wait for a connection: bounded, in order, and each until its own time is over. */
export class WaitingRoom {
  readonly #limits: WaitingLimits;
  readonly #time: Time;
  readonly #onDue: () => void;
  readonly #places = new Map<Request, Place>();
  /** Those that may be sent now. */
  readonly #ready = new Set<Place>();
  #bytes = 0;
  readonly #deadlines = new Deadlines<Request>();
  readonly #delayed = new Deadlines<Place>();
  #timer: { readonly at: number; readonly timer: Timer } | undefined;
  #isLookDue = false;

  /** @param onDue called when somebody's time has come, to be sent or to give up; `expire` and `hand` follow */
  constructor(limits: WaitingLimits, time: Time, onDue: () => void) {
    this.#limits = limits;
    this.#time = time;
    this.#onDue = onDue;
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Returns why there is no place, if there is none. */
  add(waiting: Waiting): string | undefined {
    const place = new Place(waiting);
    const { maxWaiting, maxWaitingBytes } = this.#limits;
    if (this.#places.size >= maxWaiting) return `${maxWaiting} messages wait for a connection already (maxWaiting)`;
    if (this.#bytes + place.bytes > maxWaitingBytes) {
      return `the messages that wait for a connection may have ${maxWaitingBytes} bytes together (maxWaitingBytes)`;
    }
    this.#places.set(place.request, place);
    this.#bytes += place.bytes;
    if (place.request.deadlineAt !== Infinity) this.#deadlines.add(place.request);
    if (place.notBefore > this.#time.now()) this.#delayed.add(place);
    else this.#ready.add(place);
    this.#arm();
    return undefined;
  }

  has(request: Request): boolean {
    return this.#places.has(request);
  }

  /** Takes one out; returns whether it was there. */
  take(request: Request): boolean {
    const place = this.#places.get(request);
    if (place === undefined) return false;
    this.#places.delete(request);
    this.#bytes -= place.bytes;
    this.#deadlines.delete(request);
    if (!this.#ready.delete(place)) this.#delayed.delete(place);
    if (this.isEmpty) this.#disarm();
    return true;
  }

  /** As if somebody's time had come, once when this turn is over: many that come in it are looked at together. */
  lookSoon(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    void Promise.resolve().then(() => {
      this.#isLookDue = false;
      this.#onDue();
    });
  }

  /** Hands on all that may be sent now, in the order in which they came or their time has come. */
  hand(channel: Channel): void {
    // A list: who is handed on may fail at once, and come again.
    for (const place of [...this.#ready]) if (this.take(place.request)) place.hand(channel);
  }

  /** Those whose time is over fail, and those may be sent whose time it is. */
  expire(cause: EarshotError | undefined): void {
    for (const request of this.#deadlines.expire(this.#time.now())) {
      if (this.take(request)) refuse(request, "TIMEOUT", "", "unsent", { cause });
    }
    for (const place of this.#delayed.expire(this.#time.now())) this.#ready.add(place);
    this.#arm();
  }

  /** All that do not wait any longer fail. @param patientToo so do those that would */
  fail(error: EarshotError, patientToo: boolean): void {
    for (const { request, persists } of [...this.#places.values()]) {
      if (persists && !patientToo) continue;
      if (this.take(request)) refuse(request, error.code, factOf(error), "unsent", { cause: error });
    }
  }

  #arm(): void {
    const at = Math.min(this.#deadlines.next, this.#delayed.next);
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#disarm();
    if (at === Infinity) return;
    const ring = () => {
      this.#timer = undefined;
      this.#onDue();
    };
    this.#timer = { at, timer: this.#time.after(at - this.#time.now(), ring) };
  }

  #disarm(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
  }
}

/** Fails a request that no session has. */
export function refuse(
  request: Request,
  code: ErrorCode,
  fact: string,
  delivery: Delivery,
  details?: FailureDetails,
): void {
  request.state = "settled";
  request.outgoing?.discard();
  request.letGo();
  request.onFailure(code, fact, delivery, details);
}
