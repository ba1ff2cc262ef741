import { namedKey, numberKey, readNumber, sequenceOf, timedKey } from "./keys.js";
import type { Table } from "./lmdb.js";
import type { RecordHead } from "./record.js";

/** Which tables say what a pending message waits for. */
export interface QueueTables {
  readonly ready: Table;
  readonly delayed: Table;
  readonly waiting: Table;
  readonly heads: Table;
  readonly expiring: Table;
}

type Place = Omit<RecordHead, "id">;

interface Expired {
  readonly sequence: number;
  readonly expiresAt: number;
}

const NOTHING = Buffer.from([0]);
const NONE: readonly number[] = [];
const NEVER = Number.MAX_SAFE_INTEGER;

/** What each pending message waits for: its turn, its time, or an earlier one of its key. */
export class Queues {
  readonly #tables: QueueTables;

  constructor(tables: QueueTables) {
    this.#tables = tables;
  }

  add(sequence: number, { key, dueAt, expiresAt }: Place, now: number): void {
    if (expiresAt > 0) this.#tables.expiring.put(timedKey(expiresAt, sequence), NOTHING);
    if (key !== "") {
      const name = Buffer.from(key);
      if (this.#tables.heads.get(name) !== undefined) {
        this.#tables.waiting.put(namedKey(name, sequence), numberKey(dueAt));
        return;
      }
      this.#tables.heads.put(name, numberKey(sequence));
    }
    this.#release(sequence, dueAt, now);
  }

  /** Returns what becomes ready because of it. */
  remove(sequence: number, { key, dueAt, expiresAt }: Place, now: number): readonly number[] {
    this.#tables.ready.remove(numberKey(sequence));
    if (dueAt > 0) this.#tables.delayed.remove(timedKey(dueAt, sequence));
    if (expiresAt > 0) this.#tables.expiring.remove(timedKey(expiresAt, sequence));
    return key === "" ? NONE : this.#goOn(Buffer.from(key), sequence, now);
  }

  /** Delayed messages whose time has come are ready from now on. */
  wake(now: number, limit: number): readonly number[] {
    const due = [...this.#tables.delayed.getKeys({ end: timedKey(now + 1, 0), limit })];
    return due.map((key) => {
      const sequence = sequenceOf(key);
      this.#tables.delayed.remove(key);
      this.#tables.ready.put(numberKey(sequence), NOTHING);
      return sequence;
    });
  }

  /** Pending messages that have expired, in the order in which they did, without those that are under way. */
  expired(now: number, limit: number, isUnderWay: (sequence: number) => boolean): readonly Expired[] {
    const due: Expired[] = [];
    for (const key of this.#tables.expiring.getKeys({ end: timedKey(now + 1, 0), snapshot: false })) {
      if (due.length === limit) break;
      const sequence = sequenceOf(key);
      if (!isUnderWay(sequence)) due.push({ sequence, expiresAt: readNumber(key) });
    }
    return due;
  }

  /** When, by the wall clock, `wake` or `expired` has something to do; Infinity for never. */
  nextTime(isUnderWay: (sequence: number) => boolean): number {
    const { delayed, expiring } = this.#tables;
    const [dueAt = Infinity] = Array.from(delayed.getKeys({ limit: 1, snapshot: false }), (key) => readNumber(key));
    for (const key of expiring.getKeys({ snapshot: false }))
      if (!isUnderWay(sequenceOf(key))) return Math.min(dueAt, readNumber(key));
    return dueAt;
  }

  /** Ready messages after this one, in order. */
  readyAfter(sequence: number, limit: number): readonly number[] {
    const start = numberKey(sequence + 1);
    return Array.from(this.#tables.ready.getKeys({ start, limit, snapshot: false }), (key) => readNumber(key));
  }

  /** Whether it is ready now. */
  #release(sequence: number, dueAt: number, now: number): boolean {
    if (dueAt > now) this.#tables.delayed.put(timedKey(dueAt, sequence), NOTHING);
    else this.#tables.ready.put(numberKey(sequence), NOTHING);
    return dueAt <= now;
  }

  /** The next message of the key is its head, if this was. */
  #goOn(name: Buffer, sequence: number, now: number): readonly number[] {
    const head = this.#tables.heads.get(name);
    if (head === undefined || readNumber(head) !== sequence) {
      this.#tables.waiting.remove(namedKey(name, sequence));
      return [];
    }
    const [next] = this.#tables.waiting.getRange({ start: namedKey(name, 0), end: namedKey(name, NEVER), limit: 1 });
    if (next === undefined) {
      this.#tables.heads.remove(name);
      return [];
    }
    const following = sequenceOf(next.key);
    this.#tables.waiting.remove(next.key);
    this.#tables.heads.put(name, numberKey(following));
    return this.#release(following, readNumber(next.value), now) ? [following] : [];
  }
}
