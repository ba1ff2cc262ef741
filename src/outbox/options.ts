import { EarshotError } from "../errors.js";
import type { DialOptions } from "../peer/dial.js";
import { checkMeta } from "../peer/meta.js";
import { checkNumber, checkTimeout, type Logger } from "../peer/options.js";

/** All sizes in bytes, all times in milliseconds. */
export interface OutboxOptions extends CommonOptions {
  /** Where the server is, as for `dial`. All processes that share a directory give the same. */
  readonly address: string;
  /**
   * False: this process never delivers, and leaves that to others that share the directory; default true. What the other
   * options say of deliveries has no meaning then.
   */
  readonly deliver?: boolean | undefined;
}

/** For a process that only posts, or looks. */
export interface PostOnlyOptions extends CommonOptions {
  /** Others that share the directory deliver. */
  readonly deliver: false;
  /** Not needed, as nothing is delivered. */
  readonly address?: string | undefined;
}

interface CommonOptions {
  /**
   * What `post` waits for. `"process"` (default): the message survives the end of this process, in whatever way, but the last
   * ones perhaps not the end of the machine. `"power"`: it is on the disk (`fdatasync`), and survives that, too.
   */
  readonly durability?: "process" | "power" | undefined;
  /** How many messages are under way at a time, each of another key; default 256. */
  readonly concurrency?: number | undefined;
  /** How many bytes pending messages and dead letters may take; default 1 GiB. Past it `post` rejects with `STORE_FULL`. */
  readonly maxBytes?: number | undefined;
  /**
   * How often a message is tried, at most, before it is a dead letter; default 10. What never reached a handler, because the
   * server was away, is not counted.
   */
  readonly maxAttempts?: number | undefined;
  /** How long one attempt may take; default 60,000, 0 for no limit. */
  readonly attemptTimeoutMs?: number | undefined;
  /** The distance between attempts, and between attempts to reach a server that is away. */
  readonly retry?: RetryOptions | undefined;
  /** Which errors make a message a dead letter at once, besides those that can never be anything else; default none. */
  readonly isPermanent?: ((error: EarshotError) => boolean) | undefined;
  /** How the server is dialed; `logger` is also told of the outbox's own troubles. Replies of any size are dropped as they come. */
  readonly dial?: Omit<DialOptions, "signal" | "wire" | "maxMessageBytes"> | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
}

/** A distance at random between nothing and a limit that doubles from attempt to attempt. */
export interface RetryOptions {
  /** The first limit, in milliseconds; default 100. */
  readonly minDelayMs?: number | undefined;
  /** The last, in milliseconds; default 60,000. */
  readonly maxDelayMs?: number | undefined;
}

/** How messages are delivered. */
export interface WorkOptions {
  readonly concurrency: number;
  readonly maxAttempts: number;
  readonly attemptTimeoutMs: number;
  readonly retry: { readonly minDelayMs: number; readonly maxDelayMs: number };
  readonly isPermanent: (error: EarshotError) => boolean;
}

/** For one message. */
export interface PostOptions {
  /**
   * By which it is known, here and to the server: text of 1 to 128 bytes. While a message of that id is pending or a dead
   * letter, another one is not kept, and `post` resolves as for the first. Default: one that is its own.
   */
  readonly id?: string | undefined;
  /** Go with it, for the handler: at most 8,192 bytes of names and values. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Messages of the same key are delivered one after the other, in the order in which they were posted: text of at most 512 bytes. */
  readonly key?: string | undefined;
  /** When it is a dead letter if it is not delivered: a Date, or milliseconds since 1970, of the wall clock. */
  readonly expiresAt?: Date | number | undefined;
  /** How long it is held back at least, by the wall clock; default 0. */
  readonly delayMs?: number | undefined;
  /** Waits no longer when it aborts; the message may be kept all the same. */
  readonly signal?: AbortSignal | undefined;
  /** The same, after so long; default 0, no limit. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULTS = { concurrency: 256, maxAttempts: 10, attemptTimeoutMs: 60_000, minDelayMs: 100, maxDelayMs: 60_000 };
export const DEFAULT_MAX_BYTES = 1_073_741_824;
/** What has no bytes in UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;
export const MAX_ID_BYTES = 128;
const MAX_KEY_BYTES = 512;
/** No shorter than the ids that the store gives. */
const ANY_ID = "x".repeat(32);

/** @throws EarshotError `INVALID_ARGUMENT`, naming the option */
export function checkWork(options: OutboxOptions | PostOnlyOptions): WorkOptions {
  const { isPermanent = () => false, retry = {} } = options;
  if (typeof isPermanent !== "function") refuse("isPermanent", isPermanent, "a function of an error");
  const minDelayMs = checkPositive("retry.minDelayMs", retry.minDelayMs ?? DEFAULTS.minDelayMs);
  const maxDelayMs = checkPositive("retry.maxDelayMs", retry.maxDelayMs ?? DEFAULTS.maxDelayMs);
  if (maxDelayMs < minDelayMs) refuse("retry.maxDelayMs", maxDelayMs, "no less than retry.minDelayMs");
  return {
    concurrency: checkPositive("concurrency", options.concurrency ?? DEFAULTS.concurrency),
    maxAttempts: checkPositive("maxAttempts", options.maxAttempts ?? DEFAULTS.maxAttempts),
    attemptTimeoutMs: checkTimeout("attemptTimeoutMs", options.attemptTimeoutMs ?? DEFAULTS.attemptTimeoutMs),
    retry: { minDelayMs, maxDelayMs },
    isPermanent,
  };
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkPositive(name: string, value: number): number {
  if (checkNumber(name, value) === 0) refuse(name, value, "a whole number of 1 or more");
  return value;
}

/** What `post` was told, checked. */
export interface PostFacts {
  readonly id: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dueAt: number;
  readonly expiresAt: number;
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** @throws EarshotError `INVALID_ARGUMENT`, naming the option */
export function checkPost(options: PostOptions, now: number): PostFacts {
  const { id, key, headers, expiresAt, delayMs } = options;
  if (id !== undefined) checkText("id", id, MAX_ID_BYTES);
  if (key !== undefined) checkText("key", key, MAX_KEY_BYTES);
  // What cannot be sent is not kept.
  if (headers !== undefined) checkMeta({ id: id ?? ANY_ID, headers });
  const delay = checkTimeout("delayMs", delayMs);
  return {
    id: id ?? "",
    key: key ?? "",
    headers: headers ?? NO_HEADERS,
    dueAt: delay === 0 ? 0 : now + delay,
    expiresAt: expiresAt === undefined ? 0 : checkTime("expiresAt", expiresAt),
  };
}

function checkText(name: string, value: unknown, most: number): void {
  if (typeof value === "string" && value !== "" && Buffer.byteLength(value) <= most && !LONE_SURROGATE.test(value))
    return;
  refuse(name, value, `a text of 1 to ${most} bytes`);
}

function checkTime(name: string, value: Date | number): number {
  const time = Number(value);
  if (!Number.isFinite(time) || time <= 0) refuse(name, value, "a Date, or milliseconds since 1970");
  return time;
}

export function refuse(name: string, value: unknown, what: string): never {
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, 200)) : String(value);
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use ${name}: ${text}; it is ${what}`);
}
