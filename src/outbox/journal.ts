import { EarshotError, type Operation } from "../errors.js";
import { type Environment, toStoreError } from "./environment.js";

/** What a transaction begins and ends with, however much is done in it. */
export interface Book {
  begin(): void;
  end(): void;
  /** How many bytes are in use. */
  readonly bytes: number;
}

interface Entry {
  readonly op: Operation;
  /** How much it adds to the store; 0 for what only changes or removes. */
  readonly bytes: number;
  readonly needsSync: boolean;
  readonly action: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: EarshotError) => void;
}

/** A transaction ends before it is so large that others wait for it noticeably. */
const MAX_ENTRIES = 4_096;
const MAX_BYTES = 16_777_216;

/** Makes one transaction of everything that is asked for while the last one is written. */
export class Journal {
  readonly #environment: Environment<never>;
  readonly #book: Book;
  /** Called when something was added; it does not throw. */
  readonly #onAdded: () => void;
  #entries: Entry[] = [];
  #isWriting = false;
  /** Resolves when nothing is left to write. */
  #idle: Promise<void> = Promise.resolve();

  constructor(environment: Environment<never>, book: Book, onAdded: () => void = () => {}) {
    this.#environment = environment;
    this.#book = book;
    this.#onAdded = onAdded;
  }

  /**
   * Runs it in a transaction. An EarshotError that it throws is its own affair, and must come before it has changed
   * anything; anything else that goes wrong undoes all of the transaction.
   *
   * @param bytes how much it adds to the store
   * @param needsSync waits until it also survives the end of the machine
   */
  run<T>(op: Operation, bytes: number, needsSync: boolean, action: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#entries.push({ op, bytes, needsSync, action, resolve, reject });
      if (this.#isWriting) return;
      this.#isWriting = true;
      this.#idle = this.#write();
    });
  }

  /** Resolves when everything that was asked for is written, or has failed. */
  get idle(): Promise<void> {
    return this.#idle;
  }

  async #write(): Promise<void> {
    while (this.#entries.length > 0) {
      await endOfTurn();
      await this.#writeBatch(this.#takeBatch());
    }
    this.#isWriting = false;
  }

  #takeBatch(): readonly Entry[] {
    let count = 0;
    for (let bytes = 0; count < this.#entries.length && count < MAX_ENTRIES; count++) {
      bytes += this.#entries[count]?.bytes ?? 0;
      if (count > 0 && bytes > MAX_BYTES) break;
    }
    if (count < this.#entries.length) return this.#entries.splice(0, count);
    const all = this.#entries;
    this.#entries = [];
    return all;
  }

  async #writeBatch(entries: readonly Entry[]): Promise<void> {
    const batch = this.#withRoom(entries);
    const [first] = batch;
    if (first === undefined) return;
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.#environment.run(first.op, () => this.#runAll(batch));
    } catch (error) {
      for (const { op, reject } of batch) reject(toStoreError(error, op, this.#environment.directory));
      return;
    }
    this.#environment.refresh();
    // While the disk takes its time, the next batch is already written.
    if (batch.some(({ needsSync }) => needsSync)) void this.#settleWhenSynced(batch, outcomes);
    else this.#settle(batch, outcomes);
    if (batch.some(({ bytes }) => bytes > 0)) this.#onAdded();
  }

  /** What adds something when the disk is nearly full is refused, so that there is room for what removes. */
  #withRoom(entries: readonly Entry[]): readonly Entry[] {
    const added = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    if (added === 0) return entries;
    const op = entries.find(({ bytes }) => bytes > 0)?.op ?? "post";
    try {
      this.#environment.assertRoom(op, added, this.#book.bytes);
      return entries;
    } catch (error) {
      const refusal = toStoreError(error, op, this.#environment.directory);
      for (const { bytes, reject } of entries) if (bytes > 0) reject(refusal);
      return entries.filter(({ bytes }) => bytes === 0);
    }
  }

  #runAll(batch: readonly Entry[]): readonly Outcome[] {
    this.#book.begin();
    const outcomes = batch.map(runOne);
    this.#book.end();
    return outcomes;
  }

  async #settleWhenSynced(batch: readonly Entry[], outcomes: readonly Outcome[]): Promise<void> {
    try {
      await this.#environment.sync("post");
    } catch (error) {
      for (const { op, reject } of batch) reject(toStoreError(error, op, this.#environment.directory));
      return;
    }
    this.#settle(batch, outcomes);
  }

  #settle(batch: readonly Entry[], outcomes: readonly Outcome[]): void {
    for (const [index, { op, resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) continue;
      if (outcome.ok) resolve(outcome.value as never);
      else reject(toStoreError(outcome.error, op, this.#environment.directory));
    }
  }
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

function runOne({ action }: Entry): Outcome {
  try {
    return { ok: true, value: action() };
  } catch (error) {
    if (error instanceof EarshotError) return { ok: false, error };
    throw error;
  }
}

/** All that is asked for in one turn is in one transaction. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
