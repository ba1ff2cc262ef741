import { EarshotError } from "../errors.js";
import { checkNumber } from "./options.js";
import { Queue } from "./queue.js";

/** What is kept of a message that was handled. */
export interface Recorded {
  /** Its bytes. */
  readonly reply: Uint8Array;
}

/**
 * A server's memory of finished messages, by id. Only messages that carry an id are looked up, and each is begun by one
 * owner at a time, who then calls `finish` or `forget`, once, and `forget` after a `finish` that has failed.
 */
export interface Deduplicator extends AsyncDisposable {
  /**
   * What is known of it; `undefined`: nothing, and it is now begun. Of a message that is being handled now this resolves when
   * it is finished, with its reply, or forgotten: then the first who waits is the owner.
   * What it throws refuses the message: its caller is told `OVERLOADED` when the error's code is `STORE_FULL`, or else
   * `HANDLER_FAILED`.
   *
   * @param key the caller's uid, where it is known, a colon, and the message's id
   */
  begin(key: string): Recorded | Promise<Recorded | undefined> | undefined;
  /** The handler has succeeded. The reply leaves when this returns, or resolves. */
  finish(key: string, reply: Recorded): void | Promise<void>;
  /** The handler has failed: a repetition is handled anew. */
  forget(key: string): void;
}

/** How much a server remembers of finished messages; what is oldest goes first. */
export interface DeduplicateOptions {
  /** How many messages; default 10,000. */
  readonly maxIds?: number | undefined;
  /** How many bytes all their replies may have; default 16 MiB. The reply of a message that has more is not remembered. */
  readonly maxReplyBytes?: number | undefined;
  /** For how long after a message was handled, in milliseconds; default 10 minutes. */
  readonly keepMs?: number | undefined;
}

const DEFAULTS = { maxIds: 10_000, maxReplyBytes: 16_777_216, keepMs: 600_000 } as const;

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkDeduplicate(
  given: Deduplicator | DeduplicateOptions | false | undefined,
): Deduplicator | undefined {
  if (given === false) return undefined;
  if (given === undefined) return new MemoryDeduplicator(DEFAULTS, performance);
  if (typeof given !== "object" || given === null) {
    const fact = `Cannot use deduplicate: ${String(given)}; it is an object with limits, a Deduplicator, or false`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  if ("begin" in given) return given;
  const limit = (name: keyof typeof DEFAULTS) =>
    given[name] === undefined ? DEFAULTS[name] : checkNumber(`deduplicate.${name}`, given[name]);
  const limits = { maxIds: limit("maxIds"), maxReplyBytes: limit("maxReplyBytes"), keepMs: limit("keepMs") };
  return new MemoryDeduplicator(limits, performance);
}

interface Finished extends Recorded {
  readonly key: string;
  readonly expiresAt: number;
}

type Limits = { readonly [K in keyof DeduplicateOptions]-?: number };

type Waiter = (known: Recorded | undefined) => void;

/** In memory, bounded: what is forgotten first was finished first. */
export class MemoryDeduplicator implements Deduplicator {
  readonly #limits: Limits;
  readonly #clock: { now(): number };
  /** Those who wait for each message that is being handled. */
  readonly #begun = new Map<string, Waiter[]>();
  readonly #finished = new Map<string, Finished>();
  /** The same, the oldest first. A Map would have to be asked for it, and walks over everything that it has lost before. */
  readonly #byAge = new Queue<Finished>();
  #replyBytes = 0;

  constructor(limits: Limits, clock: { now(): number }) {
    this.#limits = limits;
    this.#clock = clock;
  }

  begin(key: string): Recorded | Promise<Recorded | undefined> | undefined {
    this.#expire();
    const waiters = this.#begun.get(key);
    if (waiters !== undefined) return new Promise((resolve) => waiters.push(resolve));
    const finished = this.#finished.get(key);
    if (finished === undefined) this.#begun.set(key, []);
    return finished;
  }

  finish(key: string, { reply }: Recorded): void {
    const waiters = this.#begun.get(key) ?? [];
    this.#begun.delete(key);
    for (const resolve of waiters) resolve({ reply });
    const { maxReplyBytes, keepMs } = this.#limits;
    if (reply.length > maxReplyBytes) return;
    const finished = { key, reply, expiresAt: this.#clock.now() + keepMs };
    this.#finished.set(key, finished);
    this.#byAge.push(finished);
    this.#replyBytes += reply.length;
    this.#makeRoom();
  }

  forget(key: string): void {
    const waiters = this.#begun.get(key);
    const next = waiters?.shift();
    if (next === undefined) this.#begun.delete(key);
    else next(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finished.clear();
    this.#byAge.keep(() => false);
    this.#replyBytes = 0;
  }

  #expire(): void {
    if (this.#byAge.size === 0) return;
    const now = this.#clock.now();
    for (let oldest = this.#byAge.peek(); oldest !== undefined; oldest = this.#byAge.peek()) {
      if (oldest.expiresAt > now) return;
      this.#dropOldest();
    }
  }

  #makeRoom(): void {
    const { maxIds, maxReplyBytes } = this.#limits;
    while (this.#byAge.size > maxIds || this.#replyBytes > maxReplyBytes) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#byAge.shift();
    if (oldest === undefined) return;
    this.#replyBytes -= oldest.reply.length;
    // Whoever finishes a message twice is remembered by the last time.
    if (this.#finished.get(oldest.key) === oldest) this.#finished.delete(oldest.key);
  }
}
