/** Something that must have happened by a time. */
export interface Timed {
  readonly deadlineAt: number;
}

/** Deadlines are kept to the next multiple of this: thousands of them cost one timer, and none is early. */
const GRAIN_MS = 8;

/** A set of deadlines: constant time to add and to remove, however many there are. */
export class Deadlines<T extends Timed> {
  readonly #buckets = new Map<number, Set<T>>();
  #next = Infinity;

  /** When to call `expire` next: never later than the first deadline's bucket, `Infinity` when there is none. */
  get next(): number {
    return this.#next;
  }

  add(item: T): void {
    const key = bucketOf(item);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, new Set([item]));
    else bucket.add(item);
    if (key < this.#next) this.#next = key;
  }

  delete(item: T): void {
    const key = bucketOf(item);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined || !bucket.delete(item) || bucket.size > 0) return;
    this.#buckets.delete(key);
    if (this.#buckets.size === 0) this.#next = Infinity;
  }

  /** Takes out what is due. */
  expire(now: number): T[] {
    if (now < this.#next) return [];
    const due: T[] = [];
    let next = Infinity;
    for (const [key, bucket] of this.#buckets) {
      if (key > now) {
        next = Math.min(next, key);
        continue;
      }
      for (const item of bucket) due.push(item);
      this.#buckets.delete(key);
    }
    this.#next = next;
    return due;
  }
}

function bucketOf(item: Timed): number {
  return Math.ceil(item.deadlineAt / GRAIN_MS) * GRAIN_MS;
}
