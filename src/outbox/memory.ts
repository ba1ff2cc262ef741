import { crc32 } from "node:zlib";
import type { Layout, Tables } from "./environment.js";
import { readNumber, timedKey } from "./keys.js";

/** `replies`: what is known of a message, by its key. `ages`: the keys, by when their messages were handled. */
export const INBOX_LAYOUT = {
  kind: "inbox",
  version: 1,
  tables: ["replies", "ages"],
} as const satisfies Layout<string>;

export type InboxTables = Tables<(typeof INBOX_LAYOUT)["tables"][number]>;

export interface MemoryLimits {
  readonly keepMs: number;
  readonly maxIds: number;
  readonly maxBytes: number;
}

/** Of a reply: checksum of the rest, when, its number; then the reply. */
const HEAD_BYTES = 20;
/** What tables and pages add, roughly. */
const OVERHEAD_BYTES = 96;
const LEDGER_KEY = Buffer.from("counts");
/** How many are forgotten at most for one that is added, so that no transaction grows long. */
const FORGET_AT_ONCE = 16;

/** A message's key, by its age. */
interface Aged {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Finished messages on disk; what is oldest goes first. What changes something is called between `begin` and `end`. */
export class Memory {
  readonly #tables: InboxTables;
  readonly #limits: MemoryLimits;
  #ids = 0;
  #bytes = 0;
  #sequence = 0;
  /** In this transaction, and when the last of them was. */
  #added = 0;
  #now = 0;
  /** The age of the newest, so that none that is added is older. */
  #newest = 0;

  constructor(tables: InboxTables, limits: MemoryLimits) {
    this.#tables = tables;
    this.#limits = limits;
  }

  begin(): void {
    this.#added = 0;
    const ledger = this.#tables.about.get(LEDGER_KEY);
    const isKnown = ledger !== undefined && ledger.length >= 24;
    this.#ids = isKnown ? ledger.readDoubleBE(0) : 0;
    this.#bytes = isKnown ? ledger.readDoubleBE(8) : 0;
    this.#sequence = isKnown ? ledger.readDoubleBE(16) : 0;
  }

  end(): void {
    if (this.#added > 0) this.#forgetOldest(this.#now);
    const ledger = Buffer.allocUnsafe(24);
    ledger.writeDoubleBE(this.#ids, 0);
    ledger.writeDoubleBE(this.#bytes, 8);
    ledger.writeDoubleBE(this.#sequence, 16);
    this.#tables.about.put(LEDGER_KEY, ledger);
  }

  get ids(): number {
    this.begin();
    return this.#ids;
  }

  get bytes(): number {
    this.begin();
    return this.#bytes;
  }

  /** The reply; `undefined`: it is not known, not any more, or not what was written. */
  find(key: string, now: number): Uint8Array | undefined {
    const value = this.#tables.replies.get(Buffer.from(key));
    if (value === undefined || value.length < HEAD_BYTES) return undefined;
    const isOver = readNumber(value, 4) + this.#limits.keepMs <= now;
    return isOver || value.readUInt32BE(0) !== crc32(value.subarray(4)) ? undefined : value.subarray(HEAD_BYTES);
  }

  /** Whether there is room for it at all. */
  fits(key: string, reply: Uint8Array): boolean {
    return sizeOf(key, reply.length) <= this.#limits.maxBytes;
  }

  add(key: string, reply: Uint8Array, now: number): void {
    const name = Buffer.from(key);
    const known = this.#tables.replies.get(name);
    if (known !== undefined) this.#remove(timedKey(readNumber(known, 4), readNumber(known, 12)), name);
    if (this.#added === 0) this.#newest = this.#ageOfNewest();
    // The clock may have been ahead, and what is oldest is forgotten first: what comes now is not.
    this.#newest = Math.max(this.#newest, now);
    const age = timedKey(this.#newest, ++this.#sequence);
    const value = Buffer.allocUnsafe(HEAD_BYTES + reply.length);
    value.set(age, 4);
    value.set(reply, HEAD_BYTES);
    value.writeUInt32BE(crc32(value.subarray(4)), 0);
    this.#tables.replies.put(name, value);
    this.#tables.ages.put(age, name);
    this.#ids++;
    this.#bytes += sizeOf(key, reply.length);
    this.#added++;
    this.#now = now;
  }

  /** Once for a transaction: a look at what is oldest begins with a cursor, which costs more than to remember a message. */
  #forgetOldest(now: number): void {
    for (const { key, value } of this.#oldest(now)) this.#remove(key, value);
  }

  /** Those that go: beyond the limits, or over. */
  #oldest(now: number): readonly Aged[] {
    const { keepMs, maxIds, maxBytes } = this.#limits;
    const oldest: Aged[] = [];
    let [ids, bytes] = [this.#ids, this.#bytes];
    for (const aged of this.#tables.ages.getRange({})) {
      const isOver = oldest.length < FORGET_AT_ONCE * this.#added && readNumber(aged.key) + keepMs <= now;
      if (ids <= 1 || (!isOver && ids <= maxIds && bytes <= maxBytes)) break;
      oldest.push(aged);
      ids--;
      bytes -= this.#sizeOf(aged.value);
    }
    return oldest;
  }

  #ageOfNewest(): number {
    for (const age of this.#tables.ages.getKeys({ reverse: true, limit: 1 })) return readNumber(age);
    return 0;
  }

  #sizeOf(name: Buffer): number {
    const value = this.#tables.replies.get(name);
    return value === undefined ? 0 : sizeOf(name.toString(), value.length - HEAD_BYTES);
  }

  #remove(age: Buffer, name: Buffer): void {
    const value = this.#tables.replies.get(name);
    this.#tables.ages.remove(age);
    if (value === undefined) return;
    this.#tables.replies.remove(name);
    this.#ids--;
    this.#bytes -= sizeOf(name.toString(), value.length - HEAD_BYTES);
  }
}

function sizeOf(key: string, replyBytes: number): number {
  return Buffer.byteLength(key) * 2 + replyBytes + OVERHEAD_BYTES;
}
