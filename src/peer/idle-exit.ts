/** When a server that nobody uses leaves. */
export class IdleExit {
  readonly #afterMs: number;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param afterMs 0 for never */
  constructor(afterMs: number, leave: () => void) {
    this.#afterMs = afterMs;
    this.#leave = leave;
  }

  /** Somebody is connected. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Nobody is. */
  start(): void {
    this.stop();
    if (this.#afterMs > 0) this.#timer = setTimeout(this.#leave, this.#afterMs);
  }
}
