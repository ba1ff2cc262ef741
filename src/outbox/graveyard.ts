import { EarshotError } from "../errors.js";
import type { Reason } from "./failure.js";
import { numberKey, readNumber } from "./keys.js";
import type { Table } from "./lmdb.js";

interface Grave {
  readonly sequence: number;
  readonly reason: Reason;
  readonly record: Buffer;
}

/** The dead letters: each with its reason, and as it was posted. */
export class Graveyard {
  readonly #dead: Table;

  constructor({ dead }: { readonly dead: Table }) {
    this.#dead = dead;
  }

  add(sequence: number, reason: Reason, record: Buffer): void {
    const text = Buffer.from(JSON.stringify(reason));
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(text.length, 0);
    this.#dead.put(numberKey(sequence), Buffer.concat([length, text, record]));
  }

  has(sequence: number): boolean {
    return this.#dead.get(numberKey(sequence)) !== undefined;
  }

  get(sequence: number): Grave | undefined {
    const value = this.#dead.get(numberKey(sequence));
    return value === undefined ? undefined : open(sequence, value);
  }

  /** Removes it, and returns what was posted. */
  take(sequence: number): Buffer | undefined {
    const grave = this.get(sequence);
    if (grave !== undefined) this.#dead.remove(numberKey(sequence));
    return grave?.record;
  }

  /** The one that was posted last, if there is any. */
  last(): readonly number[] {
    return Array.from(this.#dead.getKeys({ reverse: true, limit: 1, snapshot: false }), (key) => readNumber(key));
  }

  /** Those after this one, in the order in which they were posted. */
  after(sequence: number, limit: number): readonly Grave[] {
    const entries = this.#dead.getRange({ start: numberKey(sequence + 1), limit, snapshot: false });
    return Array.from(entries, ({ key, value }) => open(readNumber(key), value));
  }
}

function open(sequence: number, value: Buffer): Grave {
  try {
    const end = 4 + value.readUInt32BE(0);
    const reason: Reason = JSON.parse(value.toString("utf8", 4, end));
    return { sequence, reason, record: value.subarray(end) };
  } catch (cause) {
    throw new EarshotError("STORE_DAMAGED", `dead letter ${sequence} is not what was written`, { cause });
  }
}
