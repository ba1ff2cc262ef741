import { randomBytes } from "node:crypto";
import { EarshotError } from "../errors.js";
import { type Counts, Ledger } from "./counts.js";
import type { Layout, Tables } from "./environment.js";
import type { Failure, Reason } from "./failure.js";
import { Graveyard } from "./graveyard.js";
import { namedKey, numberKey, readNumber, sequenceOf, timedKey } from "./keys.js";
import { decodeHead, decodeRecord, encodeRecord, type KeptMessage } from "./record.js";

/**
 * Where what is. Every pending message is in `messages`, and in one of these: in `ready` it may be delivered, in `delayed` it
 * waits for its time, in `waiting` for an earlier one of its key. `heads` has the first message of each key.
 */
export const OUTBOX_LAYOUT = {
  kind: "outbox",
  version: 1,
  tables: ["messages", "ready", "delayed", "waiting", "heads", "expiring", "ids", "failures", "dead"],
} as const satisfies Layout<string>;

export type OutboxTables = Tables<(typeof OUTBOX_LAYOUT)["tables"][number]>;

const NOTHING = Buffer.from([0]);
const ID_KEY = Buffer.from("id");
/** What tables and pages add to a message, roughly. */
const OVERHEAD_BYTES = 64;
const NONE: readonly number[] = [];
const NEVER = Number.MAX_SAFE_INTEGER;

export interface Posted {
  readonly sequence: number;
  readonly id: string;
  /** False: it, or one of the same id, is there already. */
  readonly isNew: boolean;
}

/**
 * What may be done with the messages of an outbox. Whatever changes something is called in a transaction, and between
 * `begin` and `end`.
 */
export class Store {
  readonly graveyard: Graveyard;
  readonly #tables: OutboxTables;
  readonly #maxBytes: number;
  #ledger = new Ledger();
  #storeId = "";

  constructor(tables: OutboxTables, maxBytes: number) {
    this.#tables = tables;
    this.#maxBytes = maxBytes;
    this.graveyard = new Graveyard(tables);
  }

  /** Other processes may have changed everything since the last transaction. */
  begin(): void {
    this.#ledger = Ledger.read(this.#tables.about);
    if (this.#storeId !== "") return;
    const known = this.#tables.about.get(ID_KEY);
    this.#storeId = known?.toString() ?? randomBytes(15).toString("base64url");
    if (known === undefined) this.#tables.about.put(ID_KEY, Buffer.from(this.#storeId));
  }

  end(): void {
    this.#ledger.write(this.#tables.about);
  }

  /** As it is on the disk now. */
  get counts(): Counts {
    const { pending, pendingBytes, dead, deadBytes } = Ledger.read(this.#tables.about);
    return { pending, pendingBytes, dead, deadBytes };
  }

  /**
   * @param record the same message, encoded
   * @throws EarshotError `STORE_FULL`: then nothing has changed
   */
  post(message: Omit<KeptMessage, "data">, now: number, record: Buffer): Posted {
    const known = message.id === "" ? undefined : this.find(message.id);
    if (known !== undefined) return { sequence: known, id: message.id, isNew: false };
    const size = record.length + OVERHEAD_BYTES;
    if (this.#ledger.bytes + size > this.#maxBytes) throw this.#full();
    const sequence = ++this.#ledger.sequence;
    if (message.id !== "") this.#tables.ids.put(Buffer.from(message.id), numberKey(sequence));
    this.#place(message, sequence, record, now);
    return { sequence, id: this.#idOf(message, sequence), isNew: true };
  }

  /**
   * What becomes ready because of it.
   *
   * @param hasFailed whether something was kept of attempts before
   * @throws EarshotError `STORE_DAMAGED`
   */
  delivered(sequence: number, now: number, hasFailed = true): readonly number[] {
    const key = numberKey(sequence);
    const record = this.#tables.messages.get(key);
    if (record === undefined) return NONE;
    if (hasFailed) this.#tables.failures.remove(key);
    return this.#remove(sequence, key, record, now);
  }

  /** Keeps what happened with the message, which stays where it is. */
  failed(sequence: number, failure: Failure): void {
    this.#tables.failures.put(numberKey(sequence), Buffer.from(JSON.stringify(failure)));
  }

  /** From the pending messages to the dead letters. Returns what becomes ready because of it. */
  bury(sequence: number, reason: Reason, now: number): readonly number[] {
    const key = numberKey(sequence);
    const record = this.#tables.messages.get(key);
    if (record === undefined) return NONE;
    this.graveyard.add(sequence, reason, record);
    this.#ledger.dead++;
    this.#ledger.deadBytes += record.length + OVERHEAD_BYTES;
    this.#tables.failures.remove(key);
    return this.#remove(sequence, key, record, now, true);
  }

  /** A dead letter is posted anew, behind all others; its time to expire is over with. */
  revive(sequence: number, now: number): Posted | undefined {
    const record = this.graveyard.take(sequence);
    if (record === undefined) return undefined;
    this.#forgetDead(record);
    const old = decodeRecord(record);
    const message = { ...old, id: this.#idOf(old, sequence), dueAt: 0, expiresAt: 0, postedAt: now };
    const next = ++this.#ledger.sequence;
    this.#tables.ids.put(Buffer.from(message.id), numberKey(next));
    this.#place(message, next, encodeRecord(message), now);
    return { sequence: next, id: message.id, isNew: true };
  }

  /** A dead letter is removed for good. */
  drop(sequence: number): boolean {
    const record = this.graveyard.take(sequence);
    if (record === undefined) return false;
    this.#forgetDead(record);
    const { id } = decodeRecord(record);
    if (id !== "") this.#tables.ids.remove(Buffer.from(id));
    return true;
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

  /** Pending messages that have expired, in the order in which they did. */
  expired(now: number, limit: number): readonly number[] {
    const keys = this.#tables.expiring.getKeys({ end: timedKey(now + 1, 0), limit, snapshot: false });
    return Array.from(keys, sequenceOf);
  }

  /** When, by the wall clock, `wake` or `expired` has something to do; Infinity for never. */
  get nextTime(): number {
    const first = [this.#tables.delayed, this.#tables.expiring].flatMap((table) =>
      Array.from(table.getKeys({ limit: 1, snapshot: false }), (key) => readNumber(key)),
    );
    return Math.min(Infinity, ...first);
  }

  /** Ready messages after this one, in order. */
  readyAfter(sequence: number, limit: number): readonly number[] {
    const start = numberKey(sequence + 1);
    return Array.from(this.#tables.ready.getKeys({ start, limit, snapshot: false }), (key) => readNumber(key));
  }

  /** `undefined`: somebody else was done with it. @throws EarshotError `STORE_DAMAGED` */
  read(sequence: number): KeptMessage | undefined {
    const record = this.#tables.messages.get(numberKey(sequence));
    if (record === undefined) return undefined;
    return this.named(decodeRecord(record), sequence);
  }

  /** The same, with the id that it goes by. */
  named(message: KeptMessage, sequence: number): KeptMessage {
    return { ...message, id: this.#idOf(message, sequence) };
  }

  /** The id of a message whose record may be damaged. */
  idAt(sequence: number): string {
    const record = this.#tables.messages.get(numberKey(sequence)) ?? Buffer.alloc(0);
    return this.#idOf(decodeHead(record), sequence);
  }

  get bytes(): number {
    return Ledger.read(this.#tables.about).bytes;
  }

  failureOf(sequence: number): Failure | undefined {
    const bytes = this.#tables.failures.get(numberKey(sequence));
    return bytes === undefined ? undefined : (JSON.parse(bytes.toString()) as Failure);
  }

  /** Pending messages after this one, in the order in which they were posted. */
  pendingAfter(sequence: number, limit: number): readonly number[] {
    const start = numberKey(sequence + 1);
    return Array.from(this.#tables.messages.getKeys({ start, limit, snapshot: false }), (key) => readNumber(key));
  }

  /** The message or dead letter of this id. */
  find(id: string): number | undefined {
    const known = this.#tables.ids.get(Buffer.from(id));
    if (known !== undefined) return readNumber(known);
    const storeId = this.#tables.about.get(ID_KEY)?.toString() ?? this.#storeId;
    const [prefix, digits = ""] = [id.slice(0, storeId.length + 1), id.slice(storeId.length + 1)];
    if (prefix !== `${storeId}-` || !/^[0-9a-z]{1,11}$/.test(digits)) return undefined;
    const sequence = Number.parseInt(digits, 36);
    const key = numberKey(sequence);
    return this.#tables.messages.get(key) === undefined && !this.graveyard.has(sequence) ? undefined : sequence;
  }

  #place(message: Omit<KeptMessage, "data">, sequence: number, record: Buffer, now: number): void {
    this.#tables.messages.put(numberKey(sequence), record);
    this.#ledger.pending++;
    this.#ledger.pendingBytes += record.length + OVERHEAD_BYTES;
    if (message.expiresAt > 0) this.#tables.expiring.put(timedKey(message.expiresAt, sequence), NOTHING);
    if (message.key !== "") {
      const name = Buffer.from(message.key);
      if (this.#tables.heads.get(name) !== undefined) {
        this.#tables.waiting.put(namedKey(name, sequence), numberKey(message.dueAt));
        return;
      }
      this.#tables.heads.put(name, numberKey(sequence));
    }
    this.#release(sequence, message.dueAt, now);
  }

  /** Whether it is ready now. */
  #release(sequence: number, dueAt: number, now: number): boolean {
    if (dueAt > now) this.#tables.delayed.put(timedKey(dueAt, sequence), NOTHING);
    else this.#tables.ready.put(numberKey(sequence), NOTHING);
    return dueAt <= now;
  }

  #remove(sequence: number, key: Buffer, record: Buffer, now: number, keepsId = false): readonly number[] {
    const message = decodeHead(record);
    this.#tables.messages.remove(key);
    this.#tables.ready.remove(key);
    this.#ledger.pending--;
    this.#ledger.pendingBytes -= record.length + OVERHEAD_BYTES;
    if (message.dueAt > 0) this.#tables.delayed.remove(timedKey(message.dueAt, sequence));
    if (message.expiresAt > 0) this.#tables.expiring.remove(timedKey(message.expiresAt, sequence));
    if (message.id !== "" && !keepsId) this.#tables.ids.remove(Buffer.from(message.id));
    return message.key === "" ? NONE : this.#goOn(Buffer.from(message.key), sequence, now);
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

  #forgetDead(record: Buffer): void {
    this.#ledger.dead--;
    this.#ledger.deadBytes -= record.length + OVERHEAD_BYTES;
  }

  #idOf(message: Pick<KeptMessage, "id">, sequence: number): string {
    return message.id === "" ? `${this.#storeId}-${sequence.toString(36)}` : message.id;
  }

  #full(): EarshotError {
    const { bytes, pending, dead, deadBytes } = this.#ledger;
    const held = `${bytes} of ${this.#maxBytes} bytes (maxBytes) are taken, by ${pending} pending messages and ${dead} dead letters (${deadBytes} bytes)`;
    return new EarshotError(
      "STORE_FULL",
      `${held}; wait until some are delivered, drop dead letters, or raise maxBytes`,
    );
  }
}
