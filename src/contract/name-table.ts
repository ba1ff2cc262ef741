const BUCKETS = 1_024;

interface Entry<T> {
  readonly bytes: Buffer;
  readonly value: T;
}

/** Values by name, found by the bytes of a name without making a text of them. */
export class NameTable<T> {
  /** What was found last is often what is looked for next. */
  #last: Entry<T> | undefined;
  readonly #buckets: Entry<T>[][] = Array.from({ length: BUCKETS }, () => []);

  add(name: string, value: T): void {
    const bytes = Buffer.from(name);
    this.#buckets[bucketOf(bytes, 0, bytes.length)]?.push({ bytes, value });
  }

  find(source: Buffer, start: number, end: number): T | undefined {
    const last = this.#last;
    if (last !== undefined && isSame(last.bytes, source, start, end)) return last.value;
    const bucket = this.#buckets[bucketOf(source, start, end)];
    if (bucket === undefined) return undefined;
    for (const entry of bucket) {
      if (!isSame(entry.bytes, source, start, end)) continue;
      this.#last = entry;
      return entry.value;
    }
    return undefined;
  }
}

function bucketOf(source: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (hash * 31 + (source[at] as number)) & 0xffff;
  return hash % BUCKETS;
}

function isSame(bytes: Buffer, source: Buffer, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false;
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== source[start + at]) return false;
  return true;
}
