import { type EarshotError, failure } from "../errors.js";
import { checkSlow } from "./broadcast-options.js";
import { checkNumber, checkSignal, checkTimeout } from "./options.js";
import type { WaitOptions } from "./pending.js";
import { MAX_EXTRA_BYTES } from "./publication.js";
import { RecordStream } from "./record-stream.js";
import type { StreamedPending } from "./streamed-pending.js";
import type { SlowPolicy } from "./subscriber.js";
import { systemTimers } from "./timers.js";
import { checkPattern } from "./topic.js";
import { type TopicMessage, TopicReader } from "./topic-reader.js";

/** How to subscribe. */
export interface SubscribeOptions extends WaitOptions {
  /**
   * What becomes of messages that come faster than they are read, once the server has no place for more: `"drop"` (default)
   * loses the oldest, and the next message says how many; `"disconnect"` ends the subscription with `OVERLOADED`; `"wait"`
   * holds back whoever waits for `publish`, and ends it with `OVERLOADED` if he does not wait, or waits for too long.
   */
  readonly slow?: SlowPolicy | undefined;
  /** How many may wait on the server; default, and at most, what it allows (`broadcast.maxQueuedMessages`). */
  readonly maxQueuedMessages?: number | undefined;
  /** The same in bytes (`broadcast.maxQueuedBytes`). One message always has a place. */
  readonly maxQueuedBytes?: number | undefined;
  /** How many earlier messages of each topic to begin with, as far as the server keeps them; default 0. */
  readonly replay?: number | undefined;
  /** For the server to confirm it; default none. */
  readonly timeoutMs?: number | undefined;
  /** Ends it when it aborts: who reads gets `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
}

/** What a subscription needs of its client. */
export interface SubscriptionOrigin {
  readonly address: string;
  readonly maxMessageBytes: number;
  /** Those that have not ended. */
  readonly open: Set<Subscription>;
  /** What asks the server for it; the answer comes bit by bit. */
  make(order: string): StreamedPending;
  start(pending: StreamedPending, signal: AbortSignal | undefined): void;
}

/**
 * The messages of all topics that a pattern means, as they are published; to be read once. It is in force as soon as the server
 * knows of it, so before any message that is sent after it is handled; `ready` says when. It ends when it is left, as by breaking
 * out of the loop, and when the client or the server closes: a server that closes in good order sends what it has first. Any
 * other end rejects with its cause.
 */
export class Subscription implements AsyncIterableIterator<TopicMessage>, AsyncDisposable {
  /** What was subscribed to. */
  readonly pattern: string;
  /** Resolves when the server has confirmed it; rejects with why there will be nothing. It need not be looked at. */
  readonly ready: Promise<void>;
  readonly #pending: StreamedPending;
  readonly #reader: TopicReader;
  readonly #stream: RecordStream<TopicMessage>;
  /** Why this side broke it off, where it is not its reader's doing. */
  #reason: EarshotError | undefined;

  /** @internal use `client.subscribe` */
  constructor(pattern: string, options: SubscribeOptions, origin: SubscriptionOrigin) {
    this.pattern = checkPattern(pattern);
    const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs);
    const signal = checkSignal(options.signal);
    this.#pending = origin.make(JSON.stringify(toOrder(this.pattern, options)));
    this.#reader = new TopicReader(this.#pending.reader, { maxBytes: origin.maxMessageBytes + MAX_EXTRA_BYTES });
    this.#stream = new RecordStream({
      open: () => this.#reader,
      item: () => this.#reader.message(),
      end: () => this.#assertWhole(origin.address),
      leave: () => this.#leave(),
      explain: (error) => this.#reason ?? error,
    });
    origin.open.add(this);
    this.#pending.onEnded = () => origin.open.delete(this);
    origin.start(this.#pending, signal);
    this.ready = this.#begin(timeoutMs, origin.address);
    this.ready.catch(() => {});
  }

  /** How many messages had no place on the server so far, those included that the next message will tell of. */
  get dropped(): number {
    return this.#reader.dropped;
  }

  /** The next message. @throws EarshotError `CONNECTION_LOST`, `OVERLOADED`, `CANCELLED`, `PEER_REFUSED`, `UNSUPPORTED`, ... */
  next(): Promise<IteratorResult<TopicMessage, undefined>> {
    return this.#reader.isBegun ? this.#stream.next() : this.#firstNext();
  }

  /** Wants no more. */
  return(): Promise<IteratorResult<TopicMessage, undefined>> {
    const done = this.#stream.return();
    this.#leave();
    return done;
  }

  /** Itself: it is read once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** `return`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #firstNext(): Promise<IteratorResult<TopicMessage, undefined>> {
    // Why it did not begin, the stream tells as well.
    await this.ready.catch(() => {});
    return await this.#stream.next();
  }

  async #begin(timeoutMs: number, address: string): Promise<void> {
    const giveUp = () => {
      this.#reason = failure("TIMEOUT", "subscribe", address, `the server has not confirmed it within ${timeoutMs} ms`);
      this.#leave();
    };
    const stop = timeoutMs > 0 ? systemTimers.after(timeoutMs, giveUp) : undefined;
    try {
      while (!this.#reader.begin()) {
        if (this.#reader.isEnded || this.#reader.isCutShort) this.#assertWhole(address);
        await this.#reader.readable();
      }
    } catch (error) {
      this.#leave();
      this.#reason ??= error as EarshotError;
      throw this.#reason;
    } finally {
      stop?.();
    }
  }

  #assertWhole(address: string): void {
    if (this.#reader.isLast) return;
    throw failure("PROTOCOL_VIOLATION", "subscribe", address, "the subscription ended without its last record");
  }

  #leave(): void {
    this.#pending.breakOff("the subscriber wants no more");
  }
}

/** @throws EarshotError `INVALID_ARGUMENT` */
function toOrder(pattern: string, options: SubscribeOptions): object {
  const { maxQueuedMessages: maxMessages, maxQueuedBytes: maxBytes, replay } = options;
  if (maxMessages !== undefined) checkNumber("maxQueuedMessages", maxMessages);
  if (maxBytes !== undefined) checkNumber("maxQueuedBytes", maxBytes);
  if (replay !== undefined) checkNumber("replay", replay);
  return { do: "subscribe", pattern, slow: checkSlow(options.slow), maxMessages, maxBytes, replay };
}
