import { EarshotError } from "../errors.js";
import type { SessionLimits } from "./session.js";

/** What has taken too long. */
export type Overdue = "handshake" | "unfinished frame" | "unread output" | "idle";

/** Watches the times of one connection that belong to no single message. A limit of 0 ms is none. */
export class Liveness {
  readonly #limits: SessionLimits;
  readonly #startedAt: number;
  #isGreeted: boolean;
  #lastActiveAt: number;
  #blockedSince = Infinity;
  #isMidFrame = false;

  constructor(limits: SessionLimits, now: number, isGreeted: boolean) {
    this.#limits = limits;
    this.#isGreeted = isGreeted;
    this.#startedAt = now;
    this.#lastActiveAt = now;
  }

  greeted(): void {
    this.#isGreeted = true;
  }

  active(now: number): void {
    this.#lastActiveAt = now;
  }

  set isMidFrame(is: boolean) {
    this.#isMidFrame = is;
  }

  /** What there was is out, or waits; with the last answer a connection begins to be idle. */
  flushed(isBlocked: boolean, isIdle: boolean, now: number): void {
    if (isIdle) this.#lastActiveAt = now;
    this.blocked(isBlocked, now);
  }

  /** The transport stopped or went on taking bytes. */
  blocked(is: boolean, now: number): void {
    this.#blockedSince = is ? Math.min(this.#blockedSince, now) : Infinity;
  }

  /** @param isPaused whether this side reads nothing now. */
  nextDeadline(isIdle: boolean, isPaused: boolean): number {
    const { messageTimeoutMs, idleTimeoutMs } = this.#limits;
    let next = this.#handshakeDeadline();
    if (messageTimeoutMs > 0) {
      next = Math.min(next, this.#blockedSince + messageTimeoutMs);
      if (this.#isMidFrame && !isPaused) next = Math.min(next, this.#lastActiveAt + messageTimeoutMs);
    }
    if (this.#isGreeted && isIdle && idleTimeoutMs > 0) next = Math.min(next, this.#lastActiveAt + idleTimeoutMs);
    return next;
  }

  overdue(now: number, isIdle: boolean, isPaused: boolean): Overdue | undefined {
    if (now < this.nextDeadline(isIdle, isPaused)) return undefined;
    if (now >= this.#handshakeDeadline()) return "handshake";
    const { messageTimeoutMs } = this.#limits;
    if (messageTimeoutMs > 0 && now >= this.#blockedSince + messageTimeoutMs) return "unread output";
    return this.#isMidFrame && !isPaused ? "unfinished frame" : "idle";
  }

  #handshakeDeadline(): number {
    const { handshakeTimeoutMs } = this.#limits;
    return this.#isGreeted || handshakeTimeoutMs === 0 ? Infinity : this.#startedAt + handshakeTimeoutMs;
  }
}

/** What a session ends with when something has taken too long. */
export function timedOut(overdue: Overdue, limits: SessionLimits): EarshotError {
  const ms = overdue === "handshake" ? limits.handshakeTimeoutMs : limits.messageTimeoutMs;
  return new EarshotError("TIMEOUT", `Cannot go on with the connection: ${overdue} for ${ms} ms`);
}
