import { EarshotError } from "../errors.js";
import { checkNumber } from "./options.js";

/** What is kept of a message that was handled. */
export interface Recorded {
  /** Its bytes. */
  readonly reply: Uint8Array;
}

/**
 * A server's memory of finished messages, by id. Only messages that carry an id are looked up, and each is begun by one
 * owner at a time, who then calls `finish` or `forget`, once.
 */
export interface Deduplicator extends AsyncDisposable {
  /**
   * What is known of it; `undefined`: nothing, and it is now begun. Of a message that is being handled now this resolves when
   * it is finished, with its reply, or forgotten: then the first who waits is the owner.
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
  /** The oldest first. */
  readonly #finished = new Map<string, Finished>();
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
    this.#drop(key);
    this.#finished.set(key, { reply, expiresAt: this.#clock.now() + keepMs });
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
    this.#replyBytes = 0;
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [key, { expiresAt }] of this.#finished) {
      if (expiresAt > now) return;
      this.#drop(key);
    }
  }

  #makeRoom(): void {
    const { maxIds, maxReplyBytes } = this.#limits;
    for (const key of this.#finished.keys()) {
      if (this.#finished.size <= maxIds && this.#replyBytes <= maxReplyBytes) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    const finished = this.#finished.get(key);
    if (finished === undefined) return;
    this.#finished.delete(key);
    this.#replyBytes -= finished.reply.length;
  }
}
