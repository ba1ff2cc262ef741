import { violation } from "../wire/decode.js";

const FIRST_CAPACITY = 32;
/** What is older than so many exchanges is kept elsewhere: one that never ends must not make the table grow for ever. */
const MAX_CAPACITY = 16_384;

/**
 * What belongs to exchange numbers, which rise and are odd: a ring, for a `Map` makes itself anew over and over when every
 * number comes and goes once.
 */
export class IdTable<T> {
  #ring: (T | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined);
  /** The places from the oldest that may be there to behind the newest; the place of a number is half of it. */
  #first = 0;
  #end = 0;
  #old: Map<number, T> | undefined;
  size = 0;

  /** @param id higher than any before */
  set(id: number, value: T): void {
    const place = (id - 1) / 2;
    // The other side chooses the numbers, and may leap.
    if (place - this.#end >= MAX_CAPACITY) this.#evict(this.#end);
    if (this.size === 0 || this.#first === this.#end) this.#first = place;
    while (place - this.#first >= this.#ring.length) this.#makeRoom();
    this.#ring[place & (this.#ring.length - 1)] = value;
    this.#end = place + 1;
    this.size++;
  }

  get(id: number): T | undefined {
    const place = (id - 1) / 2;
    if (place >= this.#end || (id & 1) === 0) return undefined;
    if (place < this.#first) return this.#old?.get(id);
    return this.#ring[place & (this.#ring.length - 1)];
  }

  /**
   * @returns `undefined` for one that is over
   * @throws EarshotError `PROTOCOL_VIOLATION` for one that never began: it is above `lastId`, or even
   */
  find(id: number, lastId: number, what: string): T | undefined {
    const value = this.get(id);
    if (value !== undefined || (id <= lastId && (id & 1) === 1)) return value;
    throw violation(`${what} exchange ${id}, which was not opened`);
  }

  /** Returns whether it was there. */
  delete(id: number): boolean {
    if (this.get(id) === undefined) return false;
    const place = (id - 1) / 2;
    if (place < this.#first) this.#old?.delete(id);
    else this.#ring[place & (this.#ring.length - 1)] = undefined;
    this.size--;
    return true;
  }

  /** All, the oldest first; a copy. */
  values(): T[] {
    const all = [...(this.#old?.values() ?? [])];
    for (let place = this.#first; place < this.#end; place++) {
      const value = this.#ring[place & (this.#ring.length - 1)];
      if (value !== undefined) all.push(value);
    }
    return all;
  }

  /** Lets go of empty places at the beginning, or else doubles the ring, or else puts the oldest elsewhere. */
  #makeRoom(): void {
    const { length } = this.#ring;
    const oldest = this.#ring[this.#first & (length - 1)];
    if (oldest === undefined) {
      this.#first++;
      return;
    }
    if (length >= MAX_CAPACITY) {
      this.#evict(this.#first + 1);
      return;
    }
    const grown: (T | undefined)[] = new Array(length * 2).fill(undefined);
    for (let place = this.#first; place < this.#end; place++) {
      grown[place & (length * 2 - 1)] = this.#ring[place & (length - 1)];
    }
    this.#ring = grown;
  }
  /** Puts those before a place elsewhere. */
  #evict(until: number): void {
    const mask = this.#ring.length - 1;
    for (; this.#first < until; this.#first++) {
      const value = this.#ring[this.#first & mask];
      if (value === undefined) continue;
      this.#old ??= new Map();
      this.#old.set(2 * this.#first + 1, value);
      this.#ring[this.#first & mask] = undefined;
    }
  }
}
