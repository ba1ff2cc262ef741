import { EarshotError } from "../errors.js";
import { isThenable } from "../peer/reply.js";
import type { ItemWriter } from "./item-writer.js";

type AnyIterator = Pick<AsyncIterator<unknown>, "next" | "return"> | Pick<Iterator<unknown>, "next" | "return">;

/** @throws EarshotError `INVALID_ARGUMENT` */
function iteratorOf(source: unknown): AnyIterator {
  const iterable = source as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const iterator = iterable?.[Symbol.asyncIterator]?.() ?? iterable?.[Symbol.iterator]?.();
  if (iterator !== undefined) return iterator;
  throw new EarshotError("INVALID_ARGUMENT", "Cannot stream this: it is an iterable or an async iterable of items");
}

/** Takes items from an iterable and writes them, as fast as the other side reads. */
export class Pump {
  readonly #iterator: AnyIterator;
  readonly #writer: ItemWriter;
  readonly #prepare: ((item: unknown) => unknown) | undefined;
  #state: "running" | "done" | "stopped" = "running";
  #onStop: () => void = () => {};

  /** @param prepare checks an item, and says what is to be sent @throws EarshotError `INVALID_ARGUMENT` */
  constructor(source: unknown, writer: ItemWriter, prepare?: (item: unknown) => unknown) {
    this.#iterator = iteratorOf(source);
    this.#writer = writer;
    this.#prepare = prepare;
  }

  /** True when the other side wanted no more before the end. */
  get isStopped(): boolean {
    return this.#state === "stopped";
  }

  /** Resolves when all items are written, or it is stopped; rejects with what the iterable threw, or cannot be sent. */
  run(): Promise<void> {
    if (this.#state !== "running") return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#onStop = resolve;
      this.#loop().then(resolve, reject);
    });
  }

  /** Nobody wants more: the iterable is told so. */
  stop(): void {
    if (this.#state !== "running") return;
    this.#state = "stopped";
    this.#onStop();
    void this.#leave();
  }

  #isOver(): boolean {
    return this.#state !== "running";
  }

  async #loop(): Promise<void> {
    for (;;) {
      let step: IteratorResult<unknown>;
      try {
        step = await this.#iterator.next();
      } catch (error) {
        if (this.#state === "stopped") return;
        this.#state = "done";
        throw error;
      }
      if (this.#state === "stopped") return;
      if (step.done === true) {
        this.#state = "done";
        return;
      }
      await this.#write(step.value);
      if (this.#isOver()) return;
    }
  }

  /** Returns at once, without a promise, unless there is something to wait for. */
  #write(value: unknown): Promise<void> | undefined {
    try {
      const item = this.#prepare === undefined ? value : this.#prepare(value);
      if (isThenable(item)) return this.#writeLater(item);
      this.#writer.add(item);
    } catch (error) {
      return this.#fail(error);
    }
    return this.#writer.isFull ? this.#whenReady() : undefined;
  }

  async #writeLater(pending: PromiseLike<unknown>): Promise<void> {
    try {
      this.#writer.add(await pending);
    } catch (error) {
      await this.#fail(error);
    }
    if (this.#writer.isFull) await this.#whenReady();
  }

  async #whenReady(): Promise<void> {
    try {
      await this.#writer.ready();
    } catch {
      this.stop();
    }
  }

  /** An item that cannot be sent ends it all. */
  async #fail(error: unknown): Promise<never> {
    if (this.#state === "running") {
      this.#state = "done";
      await this.#leave();
    }
    throw error;
  }

  async #leave(): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch {
      // It was told that nobody wants more; that it could not end well helps nobody.
    }
  }
}
