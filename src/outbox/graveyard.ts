import type { Reason } from "./failure.js";
import { numberKey, readNumber } from "./keys.js";
import { hasRow, type Table } from "./lmdb.js";

interface Grave {
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
    return hasRow(this.#dead, numberKey(sequence));
  }

  get(sequence: number): Grave | undefined {
    const value = this.#dead.get(numberKey(sequence));
    return value === undefined ? undefined : open(value);
  }

  remove(sequence: number): void {
    this.#dead.remove(numberKey(sequence));
  }

  /** The one that was posted last, if there is any. */
  last(): readonly number[] {
    return Array.from(this.#dead.getKeys({ reverse: true, limit: 1, snapshot: false }), (key) => readNumber(key));
  }

  /** Those after this one, in the order in which they were posted. */
  after(sequence: number, limit: number): readonly number[] {
    const start = numberKey(sequence + 1);
    return Array.from(this.#dead.getKeys({ start, limit, snapshot: false }), (key) => readNumber(key));
  }
}

/** One that is damaged can be looked at all the same, and dropped. */
function open(value: Buffer): Grave {
  const end = value.length < 4 ? Infinity : 4 + value.readUInt32BE(0);
  if (end > value.length) return { reason: UNREADABLE, record: Buffer.alloc(0) };
  return { reason: parseReason(value.toString("utf8", 4, end)), record: value.subarray(end) };
}

const UNREADABLE: Reason = {
  code: "STORE_DAMAGED",
  message: "why it is a dead letter is not what was written",
  attempts: 0,
  deadAt: 0,
};

function parseReason(text: string): Reason {
  try {
    const reason: Reason | null = JSON.parse(text);
    const isUsable = [reason?.code, reason?.message].every((value) => typeof value === "string");
    return reason !== null && isUsable && Number.isFinite(reason.attempts) ? reason : UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}
