import type { Session } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import { PATIENCE_MS } from "./budget.js";

/** Whether a connection reads: not while its session has too much to do, nor while it waits for memory. */
export class Reading {
  /** Since when it waits for memory, in whole milliseconds; 0 for not at all. */
  waitingSince = 0;
  #isPaused = false;

  /** When `hasWaited` wants to be called. */
  get deadline(): number {
    return this.waitingSince > 0 ? this.waitingSince + PATIENCE_MS : Infinity;
  }

  /** Whether it has waited for memory for too long; then it begins to wait anew. */
  hasWaited(now: number): boolean {
    if (now < this.deadline) return false;
    this.waitingSince = now;
    return true;
  }

  /** After anything has changed. */
  sync(transport: Transport, session: Session | undefined): void {
    const shouldPause = this.waitingSince !== 0 || session?.isCongested === true;
    if (shouldPause === this.#isPaused) return;
    this.#isPaused = shouldPause;
    session?.paused(shouldPause);
    if (shouldPause) transport.pause();
    else transport.resume();
  }
}
