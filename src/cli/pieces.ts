/** @returns all of it if it ends within so many bytes, and else the same, piece by piece */
export async function gather(
  pieces: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<Buffer | AsyncIterableIterator<Uint8Array>> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length <= bytes) {
    const { done, value } = await iterator.next();
    if (done === true) return Buffer.concat(first, length);
    first.push(value);
    length += value.length;
  }
  return new Pieces(async () => {
    const value = first.shift();
    return value === undefined ? await iterator.next() : { done: false, value };
  }, iterator);
}

/** @param onEnd called once: with true after the last piece, with false when they fail or nobody wants any more */
export function watch<T>(pieces: AsyncIterable<T>, onEnd: (isWhole: boolean) => void): AsyncIterableIterator<T> {
  const iterator = pieces[Symbol.asyncIterator]();
  const next = async () => {
    try {
      const result = await iterator.next();
      if (result.done === true) onEnd(true);
      return result;
    } catch (error) {
      onEnd(false);
      throw error;
    }
  };
  return new Pieces(next, iterator, () => onEnd(false));
}

/** No generator: one that was never begun would keep to itself that nobody wants it. */
class Pieces<T> implements AsyncIterableIterator<T> {
  readonly next: () => Promise<IteratorResult<T>>;
  readonly #source: AsyncIterator<T>;
  readonly #onLeft: () => void;

  constructor(next: () => Promise<IteratorResult<T>>, source: AsyncIterator<T>, onLeft: () => void = () => {}) {
    this.next = next;
    this.#source = source;
    this.#onLeft = onLeft;
  }

  async return(): Promise<IteratorResult<T>> {
    this.#onLeft();
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this;
  }
}
