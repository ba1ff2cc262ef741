import { type EarshotError, failure } from "../errors.js";
import { checkSlow } from "./broadcast-options.js";
import type { Retry } from "./client-state.js";
import { checkNumber, checkRetry, checkSignal, checkTimeout } from "./options.js";
import type { Origin, WaitOptions } from "./pending.js";
import { MAX_EXTRA_BYTES } from "./publication.js";
import { RecordStream } from "./record-stream.js";
import type { Sender } from "./sender.js";
import type { SlowPolicy } from "./subscriber.js";
import { Succession } from "./succession.js";
import { SYSTEM_TIME } from "./time.js";
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
  /**
   * Whether to subscribe again when the connection is lost or the server closes, and to wait for a server that is not there:
   * default, as the client's. `"unsent"` and `"idempotent"` mean the same here.
   */
  readonly retry?: Retry | undefined;
  /** For the server to confirm it, the first time; default none. */
  readonly timeoutMs?: number | undefined;
  /** Ends it when it aborts: who reads gets `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
}

/** What a subscription needs of its client. */
export interface SubscriptionOrigin {
  readonly origin: Origin;
  readonly maxMessageBytes: number;
  /** Those that have not ended. */
  readonly open: Set<Subscription>;
  readonly sender: Sender;
}

/**
 * The messages of all topics that a pattern means, as they are published; to be read once. It is in force as soon as the server
 * knows of it, so before any message that is sent after it is handled; `ready` says when. It ends when it is left, as by breaking
 * out of the loop, and when the client closes. Where `retry` is `false` it also ends when the server closes, which sends what it
 * has first, and any other end rejects with its cause. Otherwise it is made again with the next connection, and the next message
 * says that there is a gap before it; only what needs somebody to do something rejects.
 */
export class Subscription implements AsyncIterableIterator<TopicMessage>, AsyncDisposable {
  /** What was subscribed to. */
  readonly pattern: string;
  /** Resolves when the server has confirmed it; rejects with why there will be nothing. It need not be looked at. */
  readonly ready: Promise<void>;
  readonly #succession: Succession;
  readonly #reader: TopicReader;
  readonly #stream: RecordStream<TopicMessage>;
  /** Why this side broke it off, where it is not its reader's doing. */
  #reason: EarshotError | undefined;

  /** @internal use `client.subscribe` */
  constructor(pattern: string, options: SubscribeOptions, from: SubscriptionOrigin) {
    this.pattern = checkPattern(pattern);
    const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs);
    const order = JSON.stringify(toOrder(this.pattern, options));
    const succession = this.#succeed(order, options, from);
    this.#succession = succession;
    const maxBytes = from.maxMessageBytes + MAX_EXTRA_BYTES;
    this.#reader = new TopicReader(succession.inflow, { maxBytes, next: () => succession.next() });
    const { address } = from.origin;
    this.#stream = new RecordStream({
      open: () => this.#reader,
      item: () => this.#reader.message(),
      end: () => this.#assertWhole(address),
      leave: () => succession.leave(),
      explain: (error) => this.#reason ?? error,
    });
    from.open.add(this);
    succession.begin();
    this.ready = this.#begin(timeoutMs, address);
    this.ready.catch(() => {});
  }

  #succeed(order: string, options: SubscribeOptions, { origin, sender, open }: SubscriptionOrigin): Succession {
    const signal = checkSignal(options.signal);
    const isLasting = checkRetry(options.retry ?? sender.retry) !== false;
    return new Succession({
      make: (onAnswered) => {
        const pending = sender.streamed(origin, order, { resolve: onAnswered, reject() {} });
        pending.isSystem = true;
        return pending;
      },
      start(pending, delayMs) {
        if (isLasting) sender.wait(pending, { signal }, delayMs);
        else sender.begin(pending, { signal });
      },
      redial: sender.redial,
      isLasting,
      isSingle: sender.isSingle,
      onOver: () => open.delete(this),
    });
  }

  /** How many messages had no place on the server so far, those included that the next message will tell of. */
  get dropped(): number {
    return this.#reader.dropped;
  }

  /**
   * How often it was made again so far, each time with a gap that may hide messages; those included that the next message will
   * tell of.
   */
  get gaps(): number {
    return this.#reader.gaps;
  }

  /** The next message. @throws EarshotError `CONNECTION_LOST`, `OVERLOADED`, `CANCELLED`, `PEER_REFUSED`, `UNSUPPORTED`, ... */
  next(): Promise<IteratorResult<TopicMessage, undefined>> {
    return this.#reader.isBegun ? this.#stream.next() : this.#firstNext();
  }

  /** Wants no more. */
  return(): Promise<IteratorResult<TopicMessage, undefined>> {
    const done = this.#stream.return();
    this.#succession.leave();
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
      this.#succession.leave();
    };
    const timer = timeoutMs > 0 ? SYSTEM_TIME.after(timeoutMs, giveUp) : undefined;
    try {
      while (!this.#reader.begin()) {
        if (this.#reader.isEnded || this.#reader.isCutShort) this.#assertWhole(address);
        await this.#reader.readable();
      }
    } catch (error) {
      this.#succession.leave();
      this.#reason ??= error as EarshotError;
      throw this.#reason;
    } finally {
      timer?.cancel();
    }
  }

  #assertWhole(address: string): void {
    if (this.#reader.isLast) return;
    throw failure("PROTOCOL_VIOLATION", "subscribe", address, "the subscription ended without its last record");
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
