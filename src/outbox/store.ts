import { EarshotError } from "../errors.js";
import { type Counts, Ledger } from "./counts.js";
import type { Layout, Tables } from "./environment.js";
import { type Failure, parseFailure, type Reason, toError } from "./failure.js";
import { Graveyard } from "./graveyard.js";
import { Ids } from "./ids.js";
import { numberKey, readNumber } from "./keys.js";
import { hasRow } from "./lmdb.js";
import { Queues } from "./queues.js";
import { decodeHead, decodeRecord, encodeRecord, isWhole, type KeptMessage, type RecordHead } from "./record.js";
import { trace } from "./trace.js";

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

/** What tables and pages add to a message, roughly. */
const OVERHEAD_BYTES = 64;
const NONE: readonly number[] = [];
const WITHOUT_CONTENT = { headers: {}, postedAt: 0, data: new Uint8Array() } as const;

export interface Posted {
  readonly sequence: number;
  readonly id: string;
  /** False: it, or one of the same id, is there already. */
  readonly isNew: boolean;
}

/** A message as it can be looked at: a damaged one has no content. */
export type View = KeptMessage & { readonly damage?: EarshotError };

/**
 * What may be done with the messages of an outbox. Whatever changes something is called in a transaction, and between
 * `begin` and `end`.
 */
export class Store {
  readonly graveyard: Graveyard;
  readonly queues: Queues;
  readonly #tables: OutboxTables;
  readonly #maxBytes: number;
  readonly #ids: Ids;
  #ledger = new Ledger();

  constructor(tables: OutboxTables, maxBytes: number) {
    this.#tables = tables;
    this.#maxBytes = maxBytes;
    this.graveyard = new Graveyard(tables);
    this.queues = new Queues(tables);
    this.#ids = new Ids(tables);
  }

  /** Other processes may have changed everything since the last transaction. */
  begin(): void {
    this.#ledger = Ledger.read(this.#tables.about);
    this.#ids.begin();
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
    if (known !== undefined && !this.#isLost(known)) return { sequence: known, id: message.id, isNew: false };
    const size = record.length + OVERHEAD_BYTES;
    if (this.#ledger.bytes + size > this.#maxBytes) throw this.#full();
    const sequence = ++this.#ledger.sequence;
    if (message.id !== "") this.#ids.give(message.id, sequence);
    this.#place(message, sequence, record, now);
    return { sequence, id: this.#ids.of(message.id, sequence), isNew: true };
  }

  /** Returns what becomes ready because of it. @param hasFailed whether something was kept of attempts before */
  delivered(sequence: number, now: number, hasFailed = true): readonly number[] {
    const key = numberKey(sequence);
    const record = this.#tables.messages.get(key);
    if (record === undefined) return NONE;
    if (hasFailed) this.#tables.failures.remove(key);
    // It was whole when it was read to be delivered: to look again would cost as much as to send it.
    const head = decodeHead(record);
    this.#ids.takeBack(head.id, sequence);
    return this.#remove(sequence, record, head, now);
  }

  /** Keeps what happened with the message, which stays where it is, if nobody else was done with it. */
  failed(sequence: number, failure: Failure): void {
    if (!this.has(sequence)) return;
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
    return this.#remove(sequence, record, this.#headOf(record, sequence), now);
  }

  /**
   * A dead letter is posted anew, behind all others; its time to expire is over with.
   *
   * @throws EarshotError `STORE_DAMAGED`: then nothing has changed
   */
  revive(sequence: number, now: number): boolean {
    const grave = this.graveyard.get(sequence);
    if (grave === undefined) return false;
    const old = decodeRecord(grave.record);
    this.#forgetDead(sequence, grave.record);
    const message = { ...old, id: this.#ids.of(old.id, sequence), dueAt: 0, expiresAt: 0, postedAt: now };
    const next = ++this.#ledger.sequence;
    this.#ids.give(message.id, next);
    this.#place(message, next, encodeRecord(message), now);
    return true;
  }

  /** A dead letter is removed for good, damaged or not. */
  drop(sequence: number): boolean {
    const grave = this.graveyard.get(sequence);
    if (grave === undefined) return false;
    this.#forgetDead(sequence, grave.record);
    const { id } = decodeHead(grave.record);
    this.#ids.takeBack(isWhole(grave.record) ? id : this.#ids.givenTo(sequence), sequence);
    return true;
  }

  /** `undefined`: somebody else was done with it. @throws EarshotError `STORE_DAMAGED` */
  read(sequence: number): KeptMessage | undefined {
    const record = this.#tables.messages.get(numberKey(sequence));
    if (record === undefined) return undefined;
    return this.#named(decodeRecord(record), sequence);
  }

  /** The same for who only looks. */
  view(sequence: number): View | undefined {
    const record = this.#tables.messages.get(numberKey(sequence));
    if (record === undefined) return undefined;
    try {
      return this.#named(decodeRecord(record), sequence);
    } catch (error) {
      const head = trace(this.#tables, this.#ids, sequence);
      return { ...WITHOUT_CONTENT, ...head, id: this.#ids.of(head.id, sequence), damage: toError(error) };
    }
  }

  /** A dead letter; a damaged one has no content. */
  letter(sequence: number): { readonly message: KeptMessage; readonly reason: Reason } | undefined {
    const grave = this.graveyard.get(sequence);
    if (grave === undefined) return undefined;
    const { record, reason } = grave;
    if (isWhole(record)) return { message: this.#named(decodeRecord(record), sequence), reason };
    const head = decodeHead(record);
    return { message: { ...WITHOUT_CONTENT, ...head, id: this.#ids.ofDamaged(head.id, sequence) }, reason };
  }

  /** Whether it is pending. */
  has(sequence: number): boolean {
    return hasRow(this.#tables.messages, numberKey(sequence));
  }

  /** The id of a message whose record is damaged. */
  idAt(sequence: number): string {
    const record = this.#tables.messages.get(numberKey(sequence)) ?? Buffer.alloc(0);
    return this.#ids.ofDamaged(decodeHead(record).id, sequence);
  }

  get bytes(): number {
    return Ledger.read(this.#tables.about).bytes;
  }

  failureOf(sequence: number): Failure | undefined {
    const bytes = this.#tables.failures.get(numberKey(sequence));
    return bytes === undefined ? undefined : parseFailure(bytes.toString());
  }

  /** Pending messages after this one, in the order in which they were posted. */
  pendingAfter(sequence: number, limit: number): readonly number[] {
    const start = numberKey(sequence + 1);
    return Array.from(this.#tables.messages.getKeys({ start, limit, snapshot: false }), (key) => readNumber(key));
  }

  /** The message or dead letter of this id. */
  find(id: string): number | undefined {
    const sequence = this.#ids.find(id);
    return sequence !== undefined && (this.has(sequence) || this.graveyard.has(sequence)) ? sequence : undefined;
  }

  /** A dead letter that can never be delivered, because its bytes are damaged: its sender may post it again. */
  #isLost(sequence: number): boolean {
    const grave = this.graveyard.get(sequence);
    return grave !== undefined && !isWhole(grave.record);
  }

  /** With the id that it goes by. */
  #named(message: KeptMessage, sequence: number): KeptMessage {
    return { ...message, id: this.#ids.of(message.id, sequence) };
  }

  /** By what the tables know a pending message. */
  #headOf(record: Buffer, sequence: number): RecordHead {
    return isWhole(record) ? decodeHead(record) : trace(this.#tables, this.#ids, sequence);
  }

  #place(message: Omit<KeptMessage, "data">, sequence: number, record: Buffer, now: number): void {
    this.#tables.messages.put(numberKey(sequence), record);
    this.#ledger.pending++;
    this.#ledger.pendingBytes += record.length + OVERHEAD_BYTES;
    this.queues.add(sequence, message, now);
  }

  #remove(sequence: number, record: Buffer, head: RecordHead, now: number): readonly number[] {
    this.#tables.messages.remove(numberKey(sequence));
    this.#ledger.pending--;
    this.#ledger.pendingBytes -= record.length + OVERHEAD_BYTES;
    return this.queues.remove(sequence, head, now);
  }

  #forgetDead(sequence: number, record: Buffer): void {
    this.graveyard.remove(sequence);
    this.#ledger.dead--;
    this.#ledger.deadBytes -= record.length + OVERHEAD_BYTES;
    // How large a damaged one was is not known for certain.
    if (this.#ledger.dead === 0) this.#ledger.deadBytes = 0;
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
