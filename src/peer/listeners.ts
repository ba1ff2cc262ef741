/** Those who want to know. */
export class Listeners<T> {
  readonly #all = new Set<{ readonly call: (value: T) => void }>();

  /** Returns how to end it. */
  add(call: (value: T) => void): () => void {
    const listener = { call };
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  }

  /** Each in a turn of its own: what it does, or throws, concerns nobody here. */
  tell(value: T): void {
    for (const { call } of this.#all) void Promise.resolve().then(() => call(value));
  }
}
