/** What a `Fifo` holds can be dropped while it waits. */
export interface Droppable {
  isDropped: boolean;
}

const COMPACT_AT = 64;

/** First in, first out; dropping an item costs nothing now, and its place is reclaimed before the dead outnumber the living. */
export class Fifo<T extends Droppable> {
  #items: T[] = [];
  #head = 0;
  #dropped = 0;

  /** How many wait, without the dropped ones. */
  get size(): number {
    return this.#items.length - this.#head - this.#dropped;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The next item that is not dropped, taken out. */
  shift(): T | undefined {
    while (this.#head < this.#items.length) {
      const item = this.#items[this.#head];
      this.#head++;
      if (item === undefined) continue;
      if (item.isDropped) {
        this.#dropped--;
        continue;
      }
      if (this.#head === this.#items.length) this.#reset([]);
      else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#items.length) this.#compact();
      return item;
    }
    this.#reset([]);
    return undefined;
  }

  /** @param item one that waits here. */
  drop(item: T): void {
    if (item.isDropped) return;
    item.isDropped = true;
    this.#dropped++;
    if (this.#dropped >= COMPACT_AT && this.#dropped * 2 >= this.#items.length - this.#head) this.#compact();
  }

  items(): T[] {
    return this.#items.slice(this.#head).filter((item) => !item.isDropped);
  }

  #compact(): void {
    this.#reset(this.items());
  }

  #reset(items: T[]): void {
    this.#items = items;
    this.#head = 0;
    this.#dropped = 0;
  }
}
