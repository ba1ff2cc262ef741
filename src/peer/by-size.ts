/** Things by a size that changes in small steps, so that the largest is found in constant time. */
export class BySize<T> {
  readonly #sets: (Set<T> | undefined)[] = [];
  #most = 0;

  /** Its size changes; things of size 0 are not here. */
  resize(item: T, from: number, to: number): void {
    const set = this.#sets[from];
    set?.delete(item);
    if (set?.size === 0) this.#sets[from] = undefined;
    if (to > 0) {
      this.#sets[to] ??= new Set();
      this.#sets[to]?.add(item);
    }
    this.#most = Math.max(this.#most, to);
    while (this.#most > 0 && this.#sets[this.#most] === undefined) this.#most--;
  }

  /** One of the largest. */
  get largest(): T | undefined {
    const [first] = this.#sets[this.#most] ?? [];
    return first;
  }
}
