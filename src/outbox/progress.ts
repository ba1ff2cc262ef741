/** Who waits for something to happen, whatever it is. */
export class Progress {
  #waiting: (() => void)[] = [];

  /** Resolves with the next `tell`. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
