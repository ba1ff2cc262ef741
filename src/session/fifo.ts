/** What a `Fifo` holds can be dropped while it waits. */
export interface Droppable {
  isDropped: boolean;
}

const COMPACT_AT = 64;
/** An empty queue keeps its array up to this length. */
const KEEP_LENGTH = 1_024;

/** First in, first out; dropping an item costs nothing now, and its place is reclaimed before the dead outnumber the living. */
export class Fifo<T extends Droppable> {
  /** Those between head and tail wait; the other places are empty. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #tail = 0;
  #dropped = 0;

  /** How many wait, without the dropped ones. */
  get size(): number {
    return this.#tail - this.#head - this.#dropped;
  }

  push(item: T): void {
    this.#items[this.#tail++] = item;
  }

  /** The next item that is not dropped, taken out. */
  shift(): T | undefined {
    while (this.#head < this.#tail) {
      const item = this.#items[this.#head];
      this.#items[this.#head++] = undefined;
      if (item === undefined) continue;
      if (item.isDropped) this.#dropped--;
      else {
        if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#tail) this.#compact();
        return item;
      }
    }
    this.#compact();
    return undefined;
  }

  /** The next item that is not dropped, left where it is. */
  peek(): T | undefined {
    for (let index = this.#head; index < this.#tail; index++) {
      const item = this.#items[index];
      if (item !== undefined && !item.isDropped) return item;
    }
    return undefined;
  }

  /** @param item one that waits here. */
  drop(item: T): void {
    if (item.isDropped) return;
    item.isDropped = true;
    this.#dropped++;
    if (this.#dropped >= COMPACT_AT && this.#dropped * 2 >= this.#tail - this.#head) this.#compact();
  }

  items(): T[] {
    return this.#items.slice(this.#head, this.#tail).filter((item) => item !== undefined && !item.isDropped) as T[];
  }

  #compact(): void {
    if (this.#head < this.#tail || this.#items.length > KEEP_LENGTH) {
      this.#items = this.items();
      this.#tail = this.#items.length;
    } else this.#tail = 0;
    this.#head = 0;
    this.#dropped = 0;
  }
}
