import { isatty } from "node:tty";
import type { Delivery } from "../index.js";
import { write } from "./output.js";
import { readStdin } from "./stdin.js";

/** What is typed is sent when it is finished, and has to be somewhere until then. */
const MAX_TYPED_BYTES = 67_108_864;
/** Most messages are short: their end is there as soon as they are, and then they are sent in one piece. */
const END_MS = 10;

const NOTHING = Buffer.alloc(0);

export interface InputOptions {
  readonly maxBytes: number | undefined;
  /** Whether to tell somebody at a terminal what to do. */
  readonly mayHint: boolean;
  /** The error of an input that is too long; from outside, so that what it is made of is loaded once. */
  readonly refuse: (maxBytes: number, delivery: Delivery) => Error;
}

/** Standard input as a message. */
export class Input {
  /** Why it could not be read to its end. */
  failure: unknown;
  readonly #first: Buffer;
  readonly #options: InputOptions;
  /** `undefined` when the first piece is all. */
  readonly #rest: AsyncIterator<Buffer> | undefined;

  private constructor(first: Buffer, rest: AsyncIterator<Buffer> | undefined, options: InputOptions) {
    this.#first = first;
    this.#rest = rest;
    this.#options = options;
  }

  /** Resolves with the first of it; what is typed at a terminal is read to its end. */
  static async open(options: InputOptions): Promise<Input> {
    // Not asked of `process.stdin`, which would begin to read it.
    if (isatty(0)) {
      const pieces: AsyncIterator<Buffer> = process.stdin[Symbol.asyncIterator]();
      const hint = "the message is what you type; end it with Ctrl-D on a line of its own\n";
      if (options.mayHint) await write(process.stderr, hint);
      return new Input(await readAll(pieces, options), undefined, options);
    }
    const pieces = readStdin();
    const { done, value } = await pieces.next();
    // The next piece is read to the same memory.
    const first = done === true ? NOTHING : Buffer.from(value);
    assertFits(first.length, options, "unsent");
    return new Input(first, done === true ? undefined : pieces, options);
  }

  /** All of it, or else the same piece by piece. */
  async message(): Promise<Buffer | AsyncIterable<Buffer>> {
    if (this.#rest === undefined) return this.#first;
    const second = this.#rest.next();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), END_MS);
    });
    const result = await Promise.race([second, late]).catch(() => undefined);
    clearTimeout(timer);
    return result?.done === true ? this.#first : this.#read(second, this.#rest);
  }

  async *#read(second: Promise<IteratorResult<Buffer>>, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
    let bytes = this.#first.length;
    yield this.#first;
    try {
      for (let { done, value } = await second; done !== true; { done, value } = await rest.next()) {
        bytes += value.length;
        assertFits(bytes, this.#options, "unknown");
        yield value;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

async function readAll(pieces: AsyncIterator<Buffer>, options: InputOptions): Promise<Buffer> {
  const { maxBytes = MAX_TYPED_BYTES } = options;
  const all: Buffer[] = [];
  let length = 0;
  for (let { done, value } = await pieces.next(); done !== true; { done, value } = await pieces.next()) {
    length += value.length;
    assertFits(length, { ...options, maxBytes }, "unsent");
    all.push(value);
  }
  return Buffer.concat(all, length);
}

function assertFits(bytes: number, { maxBytes, refuse }: InputOptions, delivery: Delivery): void {
  if (maxBytes !== undefined && bytes > maxBytes) throw refuse(maxBytes, delivery);
}
