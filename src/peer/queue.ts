/** Places that are free again are kept up to this number. */
const COMPACT_AT = 64;

/** First in, first out, in constant time; the last can be taken back as well. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest, left where it is. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The oldest, taken out. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The newest, taken out. */
  pop(): T | undefined {
    return this.size === 0 ? undefined : this.#items.pop();
  }

  /** So many of the newest, the oldest of them first, left where they are. */
  last(count: number): T[] {
    return this.#items.slice(Math.max(this.#head, this.#items.length - count)) as T[];
  }

  /** Takes out all that the condition does not hold for. */
  keep(condition: (item: T) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter((item) => condition(item as T));
    this.#head = 0;
  }
}
