import type { EarshotError } from "../errors.js";
import { delayAfter } from "./backoff.js";
import type { Time, Timer } from "./time.js";

/** A connection that stood for so long was a good one: losing it begins a new count of failures. */
const GOOD_AFTER_MS = 1_000;
/** Whatever appears at the server's path makes an attempt no sooner than this after the last. */
const LEAST_PAUSE_MS = 10;

/** How a client comes to its next connection. */
export interface Reconnecting {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly whenIdle: boolean;
}

export const RECONNECT_DEFAULTS: Reconnecting = { minDelayMs: 50, maxDelayMs: 5_000, whenIdle: false };

export interface RedialParts {
  readonly time: Time;
  /** As `Math.random`. */
  readonly random: () => number;
  /** Tells when the server may have come back, where that can be seen. */
  readonly watch: ((onChange: () => void) => Disposable) | undefined;
}

/** When to connect again: later each time, or as soon as there is a sign of the server. */
export class Redial {
  /** Attempts that failed, and connections that were no good ones, in a row. */
  failures = 0;
  readonly #parts: RedialParts;
  readonly #limits: Reconnecting;
  readonly #ring: () => void;
  #timer: Timer | undefined;
  #retryAt = Infinity;
  #isAlive = true;
  #lastAttemptAt = -Infinity;
  /** Something has appeared at the server's path since the last attempt began. */
  #isNews = false;
  #watch: Disposable | undefined;

  /** @param ring called when it is time */
  constructor(parts: RedialParts, limits: Reconnecting, ring: () => void) {
    this.#parts = parts;
    this.#limits = limits;
    this.#ring = ring;
  }

  now(): number {
    return this.#parts.time.now();
  }

  /** A pause of another kind that grows as these do. */
  delayAfter(failures: number, atLeastMs?: number): number {
    return delayAfter(failures, this.#limits, this.#parts.random, atLeastMs);
  }

  /** An attempt begins. */
  begin(): void {
    this.#lastAttemptAt = this.#parts.time.now();
    this.#isNews = false;
    this.#disarm();
  }

  /** A connection is lost. @param since when it was made */
  lost(since: number): void {
    if (this.#isGood(since)) this.failures = 0;
  }

  /**
   * Plans the next attempt; returns for when, or `undefined` for now: then nothing rings.
   *
   * @param since when the connection was made that is lost; `undefined` if none could be made
   */
  plan({ retryAfterMs }: EarshotError, since: number | undefined): number | undefined {
    const now = this.#parts.time.now();
    const count = since === undefined ? this.failures + 1 : this.failures;
    if (since === undefined || !this.#isGood(since)) this.failures++;
    const delayMs = this.delayAfter(count, retryAfterMs);
    if (count === 0 && delayMs === 0) return undefined;
    this.#watch ??= this.#parts.watch?.(() => this.#onNews());
    this.#arm(this.#isNews ? Math.min(now + delayMs, this.#lastAttemptAt + LEAST_PAUSE_MS) : now + delayMs);
    return this.#retryAt;
  }

  #isGood(since: number): boolean {
    return this.#parts.time.now() - since >= GOOD_AFTER_MS;
  }

  /** Whether the process shall stay for the next attempt. */
  keepAlive(is: boolean): void {
    this.#isAlive = is;
    this.#timer?.keepAlive(is);
  }

  /** Nothing more is needed. */
  stop(): void {
    this.#disarm();
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /** The server may be back. */
  #onNews(): void {
    this.#isNews = true;
    if (this.#timer === undefined) return;
    const soonest = this.#lastAttemptAt + LEAST_PAUSE_MS;
    if (soonest <= this.#parts.time.now()) this.#ring();
    else if (soonest < this.#retryAt) this.#arm(soonest);
  }

  #arm(retryAt: number): void {
    this.#disarm();
    this.#retryAt = retryAt;
    this.#timer = this.#parts.time.after(Math.max(0, retryAt - this.#parts.time.now()), this.#ring);
    this.#timer.keepAlive(this.#isAlive);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
