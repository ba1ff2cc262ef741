import type { Session } from "../session/session.js";
import type { Transport } from "../transport/transport.js";

/** Whether a connection reads: not while its session has too much to do, nor while it waits for memory. */
export class Reading {
  /** Since when it waits for memory, in whole milliseconds; 0 for not at all. */
  waitingSince = 0;
  #isPaused = false;

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
