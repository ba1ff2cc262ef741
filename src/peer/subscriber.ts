import type { FailureName } from "../wire/failure.js";
import type { Backlog } from "./backlog.js";
import type { Writer } from "./flow.js";
import { encodeBegun, encodeDropped, encodeEnd, type Publication } from "./publication.js";
import { Queue } from "./queue.js";
import type { Time, Timer } from "./time.js";

/** What becomes of messages that a subscriber does not take as fast as they are published. */
export type SlowPolicy = "drop" | "disconnect" | "wait";

/** How a subscriber wants its messages, within what the server allows. */
export interface SubscriberOptions {
  readonly slow: SlowPolicy;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** How long a publisher waits for one that takes nothing; 0 for ever. */
  readonly maxWaitMs: number;
}

/** Who answers the exchange that a subscription is. */
export interface SubscriberExchange {
  /** Nobody waits for more. */
  end(): void;
  fail(code: FailureName, text: string): void;
}

/** A large message leaves in pieces, so that what is under way to a slow subscriber does not grow with it. */
const PIECE_BYTES = 65_536;

/** A subscription, as the server has it: a queue of messages that others have, too, and the stream that they leave by. */
export class Subscriber {
  readonly #exchange: SubscriberExchange;
  readonly #out: Writer;
  readonly #options: SubscriberOptions;
  readonly #backlog: Backlog;
  readonly #time: Time;
  readonly #onOver: (slow?: string) => void;
  readonly #queue = new Queue<Publication>();
  #queuedBytes = 0;
  /** How many that the subscriber has not been told of had no place. */
  #dropped = 0;
  /** So many at the head of the queue nobody waits for: they were published before. */
  #replayed = 0;
  /** What is left of one that is leaving. */
  #rest: Buffer | undefined;
  /** Whether the stream takes more now, or only later. */
  #state: "writable" | "full" | "over" = "writable";
  /** It has all that it will get. */
  #isEnding = false;
  #limit: Timer | undefined;

  /** @param onOver called once, whoever ended it; if it was too slow, with what is said of that */
  constructor(
    exchange: SubscriberExchange,
    out: Writer,
    options: SubscriberOptions,
    { backlog, time }: { readonly backlog: Backlog; readonly time: Time },
    onOver: (slow?: string) => void,
  ) {
    this.#exchange = exchange;
    this.#out = out;
    this.#options = options;
    this.#backlog = backlog;
    this.#time = time;
    this.#onOver = onOver;
    out.onOver = () => this.leave();
  }

  /** To be called first. @param replayed what it gets of what was published before, as far as it has a place */
  begin(replayed: readonly Publication[]): void {
    this.#out.write(encodeBegun(replayed.length));
    for (const publication of replayed) {
      this.#enqueue(publication);
      this.#replayed++;
      // One message always has a place, whatever its size.
      while (this.#queue.size > 1 && this.#hasTooMuch(0, 0)) this.#dropFirst();
    }
    this.#pump();
  }

  /** Publishes a message to it. */
  offer(publication: Publication): void {
    if (this.#state === "over" || this.#isEnding) return;
    const { slow } = this.#options;
    const { bytes } = publication;
    if (this.#isIdle() && bytes !== undefined && bytes.length <= PIECE_BYTES) {
      // Most need not wait.
      if (!this.#out.write(bytes)) this.#waitForRoom();
      return;
    }
    while (this.#queue.size > 0 && this.#hasTooMuch(1, publication.costBytes)) {
      if (slow !== "drop") {
        this.#disconnect(`${this.#queue.size} messages of ${this.#queuedBytes} bytes wait for it`);
        return;
      }
      this.#dropFirst();
    }
    if (slow === "wait") publication.await();
    this.#enqueue(publication);
    if (this.#state === "writable") this.#pump();
    else this.#limitWaiting();
  }

  /** Nothing more is published: what waits still leaves, and then the end. */
  end(): void {
    if (this.#state === "over" || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#state === "writable") this.#pump();
  }

  /** The subscriber wants no more, or is gone. */
  leave(): void {
    if (this.#state === "over") return;
    this.#close();
    this.#exchange.end();
  }

  /** Whether what waits, and so much more, is over the limits. */
  #hasTooMuch(moreMessages: number, moreBytes: number): boolean {
    const { maxMessages, maxBytes } = this.#options;
    return this.#queue.size + moreMessages > maxMessages || this.#queuedBytes + moreBytes > maxBytes;
  }

  #enqueue(publication: Publication): void {
    this.#queue.push(publication);
    this.#queuedBytes += publication.costBytes;
    this.#backlog.hold(publication);
  }

  #dequeue(): Publication | undefined {
    const publication = this.#queue.shift();
    if (publication === undefined) return undefined;
    this.#queuedBytes -= publication.costBytes;
    if (this.#replayed > 0) this.#replayed--;
    else if (this.#options.slow === "wait") publication.taken();
    return publication;
  }

  #dropFirst(): void {
    const publication = this.#dequeue();
    if (publication === undefined) return;
    this.#backlog.release(publication);
    this.#dropped++;
  }

  /** Writes as much as there is room for. */
  #pump(): void {
    while (this.#state === "writable") {
      const bytes = this.#next();
      if (bytes === undefined) {
        // What was lost meanwhile may have ended it.
        if (this.#isEnding && this.#state === "writable") this.#finish();
        return;
      }
      if (!this.#out.write(bytes)) this.#waitForRoom();
    }
  }

  /** What leaves next. */
  #next(): Uint8Array | undefined {
    if (this.#rest !== undefined) return this.#nextPiece(this.#rest);
    this.#skipLost();
    const bytes = this.#queue.peek()?.bytes;
    if (this.#dropped > 0 && (bytes !== undefined || this.#isEnding)) return this.#tellDropped();
    if (bytes === undefined) return undefined;
    const publication = this.#dequeue();
    if (publication !== undefined) this.#backlog.release(publication);
    return bytes.length > PIECE_BYTES ? this.#nextPiece(bytes) : bytes;
  }

  /** What was let go before it could leave. */
  #skipLost(): void {
    for (let next = this.#queue.peek(); next !== undefined && next.bytes === undefined; next = this.#queue.peek()) {
      if (this.#options.slow === "drop") this.#dropFirst();
      else this.#disconnect("the messages that wait for all subscribers take too much memory");
    }
  }

  #nextPiece(rest: Buffer): Uint8Array {
    this.#rest = rest.length > PIECE_BYTES ? rest.subarray(PIECE_BYTES) : undefined;
    return rest.subarray(0, PIECE_BYTES);
  }

  #tellDropped(): Uint8Array {
    const record = encodeDropped(this.#dropped);
    this.#dropped = 0;
    return record;
  }

  #waitForRoom(): void {
    if (this.#state === "over") return;
    this.#state = "full";
    this.#limitWaiting();
    const resume = () => {
      this.#stopLimit();
      if (this.#state !== "full") return;
      this.#state = "writable";
      this.#pump();
    };
    // Why nobody takes any more is told to `onOver` as well.
    this.#out.ready().then(resume, () => {});
  }

  #finish(): void {
    this.#out.write(encodeEnd());
    this.#out.end();
    this.#close();
    this.#exchange.end();
  }

  #disconnect(fact: string): void {
    if (this.#state === "over") return;
    const text = `the subscriber is too slow: ${fact}`;
    this.#close(text);
    this.#exchange.fail("OVERLOADED", text);
  }

  /** A publisher waits: not for ever. */
  #limitWaiting(): void {
    const { slow, maxWaitMs } = this.#options;
    const isAwaited = slow === "wait" && this.#queue.size > this.#replayed;
    if (!isAwaited || maxWaitMs === 0 || this.#limit !== undefined) return;
    const fact = `it has taken nothing for ${maxWaitMs} ms, and the publisher waits for it`;
    this.#limit = this.#time.after(maxWaitMs, () => this.#disconnect(fact));
  }

  #stopLimit(): void {
    this.#limit?.cancel();
    this.#limit = undefined;
  }

  /** Nothing is before the next message. */
  #isIdle(): boolean {
    return this.#state === "writable" && this.#queue.size === 0 && this.#dropped === 0;
  }

  /** Lets go of everything that waits. */
  #close(slow?: string): void {
    this.#state = "over";
    this.#stopLimit();
    this.#rest = undefined;
    for (;;) {
      const publication = this.#dequeue();
      if (publication === undefined) break;
      this.#backlog.release(publication);
    }
    this.#onOver(slow);
  }
}
