/** When a server that nobody uses leaves. */
export class IdleExit {
  readonly #afterMs: number;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;
  #last: NodeJS.Immediate | undefined;

  /** @param afterMs 0 for never */
  constructor(afterMs: number, leave: () => void) {
    this.#afterMs = afterMs;
    this.#leave = leave;
  }

  /** Somebody is connected. */
  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#last);
    this.#timer = undefined;
  }

  /** Nobody is. */
  start(): void {
    this.stop();
    if (this.#afterMs === 0) return;
    // A process that was busy has its timers before its sockets: who has come meanwhile is heard first.
    this.#timer = setTimeout(() => {
      this.#last = setImmediate(this.#leave);
    }, this.#afterMs);
  }
}
