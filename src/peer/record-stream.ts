import type { RecordReader } from "./record-reader.js";

/** Where the items of a stream come from. */
export interface RecordSource<T> {
  /** Called once, when the first item is asked for. @throws what the first `next` rejects with */
  open(): RecordReader;
  /** The record that was just read, as an item; or a promise of it. */
  item(reader: RecordReader): T | Promise<T>;
  /** The last record, or the end. @throws why it ended, unless that was good; or is a promise that rejects with it */
  end(reader: RecordReader): unknown;
  /** Called once, when nobody wants more before the end. */
  leave(): void;
  /** Why it really broke off. */
  explain?(error: unknown): unknown;
}

const DONE = { value: undefined, done: true } as const;

/** Items as their reader gets them: those that are there already cost no waiting. */
export class RecordStream<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #source: RecordSource<T>;
  #state: "new" | "open" | "over" | "left" = "new";
  #reader: RecordReader | undefined;
  /** How many calls of `next` wait, and the last of them. */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: RecordSource<T>) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#state === "over" || this.#state === "left") return Promise.resolve(DONE);
    if (this.#waiting > 0) return this.#queue();
    try {
      if (this.#state === "new") {
        this.#state = "open";
        this.#reader = this.#source.open();
      }
      if (this.#reader?.next() === true) return this.#deliver(this.#reader);
    } catch (error) {
      return Promise.reject(this.#broken(error));
    }
    return this.#queue();
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const isOpen = this.#state === "open";
    this.#state = "left";
    if (isOpen) this.#source.leave();
    return Promise.resolve(DONE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The record that is there. */
  #deliver(reader: RecordReader): Promise<IteratorResult<T, undefined>> {
    if (reader.isLast) {
      this.#state = "over";
      const ended = this.#source.end(reader);
      return ended instanceof Promise ? ended.then(() => DONE) : Promise.resolve(DONE);
    }
    const item = this.#source.item(reader);
    if (!(item instanceof Promise)) return Promise.resolve({ value: item, done: false });
    return item.then(
      (value) => ({ value, done: false }),
      (error: unknown) => {
        throw this.#broken(error);
      },
    );
  }

  /** What was asked for first is answered first. */
  #queue(): Promise<IteratorResult<T, undefined>> {
    this.#waiting++;
    const turn = this.#waiting === 1 ? this.#wait() : this.#last.then(() => this.#wait());
    const settled = () => {
      this.#waiting--;
    };
    this.#last = turn.then(settled, settled);
    return turn;
  }

  async #wait(): Promise<IteratorResult<T, undefined>> {
    const reader = this.#reader;
    try {
      while (reader !== undefined && this.#state === "open") {
        if (reader.next()) return await this.#deliver(reader);
        if (reader.isEnded || reader.isCutShort) {
          this.#state = "over";
          await this.#source.end(reader);
        } else await reader.readable();
      }
    } catch (error) {
      if (!this.#hasLeft()) throw this.#broken(error);
    }
    return DONE;
  }

  /** Who has left hears nothing of how it ended. */
  #hasLeft(): boolean {
    return this.#state === "left";
  }

  /** Nothing more comes after an error. */
  #broken(error: unknown): unknown {
    if (this.#state === "open") {
      this.#state = "over";
      this.#source.leave();
    }
    return this.#source.explain?.(error) ?? error;
  }
}
