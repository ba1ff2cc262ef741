import type { Failure } from "./failure.js";

/** A message that was taken out of the store's queue, and is not settled on disk yet. */
export interface Task {
  readonly sequence: number;
  readonly id: string;
  readonly bytes: number;
  /** What happened with it before. */
  readonly before: Failure | undefined;
}

/** How many are looked up at once. */
const CHUNK = 256;
/** How many messages may wait for their next attempt before no new ones are tried. */
const MAX_TAKEN = 20_000;

/** Which message is next: first those that were tried or held up, then those that have become ready, in order. */
export class Tasks {
  /** Everything that is somewhere between the store's queue and its end. */
  readonly #taken = new Set<number>();
  readonly #first: number[] = [];
  #chunk: readonly number[] = [];
  #chunkAt = 0;
  /** All ready messages up to this one were taken. */
  #cursor = 0;
  readonly #readyAfter: (sequence: number, limit: number) => readonly number[];

  constructor(readyAfter: (sequence: number, limit: number) => readonly number[]) {
    this.#readyAfter = readyAfter;
  }

  /** The next to be tried, if there is one; it is taken until it is let go. */
  next(): number | undefined {
    // The limit is for new ones only: those that were taken before are what makes room again.
    return this.#first.shift() ?? (this.#taken.size < MAX_TAKEN ? this.#scan() : undefined);
  }

  /** What `next` gave, and could not be tried yet. */
  putBack(sequence: number): void {
    this.#first.unshift(sequence);
  }

  /** What was taken is to be tried now. */
  again(sequence: number): void {
    this.#first.push(sequence);
  }

  /** The server is back: what never reached it goes out in the order in which it was posted. */
  sort(): void {
    this.#first.sort((a, b) => a - b);
  }

  /** Ready since now, also where the queue was looked through before. */
  add(sequences: readonly number[]): void {
    for (const sequence of sequences) {
      if (this.#taken.has(sequence)) continue;
      this.#taken.add(sequence);
      this.#first.push(sequence);
    }
  }

  /** Others may have changed the queue: it is looked through from its beginning. */
  startOver(): void {
    this.#chunk = [];
    this.#chunkAt = 0;
    this.#cursor = 0;
  }

  letGo(sequence: number): void {
    this.#taken.delete(sequence);
  }

  #scan(): number | undefined {
    while (true) {
      if (this.#chunkAt === this.#chunk.length) {
        this.#chunk = this.#readyAfter(this.#cursor, CHUNK);
        this.#chunkAt = 0;
        if (this.#chunk.length === 0) return undefined;
      }
      const sequence = this.#chunk[this.#chunkAt++];
      if (sequence === undefined) return undefined;
      this.#cursor = sequence;
      if (this.#taken.has(sequence)) continue;
      this.#taken.add(sequence);
      return sequence;
    }
  }
}
