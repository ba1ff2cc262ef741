import type { Table } from "./lmdb.js";

/** What an outbox holds. All sizes include what is kept with the data. */
export interface Counts {
  /** Messages that are neither delivered nor dead. */
  readonly pending: number;
  /** What they take. */
  readonly pendingBytes: number;
  /** Dead letters. */
  readonly dead: number;
  /** What they take. */
  readonly deadBytes: number;
}

const KEY = Buffer.from("counts");
const NUMBERS = 5;

/** The same, while a transaction changes it. */
export class Ledger {
  pending = 0;
  pendingBytes = 0;
  dead = 0;
  deadBytes = 0;
  /** The number of the message that was posted last. */
  sequence = 0;

  static read(about: Table): Ledger {
    const ledger = new Ledger();
    const bytes = about.get(KEY);
    if (bytes === undefined || bytes.length < NUMBERS * 8) return ledger;
    ledger.pending = bytes.readDoubleBE(0);
    ledger.pendingBytes = bytes.readDoubleBE(8);
    ledger.dead = bytes.readDoubleBE(16);
    ledger.deadBytes = bytes.readDoubleBE(24);
    ledger.sequence = bytes.readDoubleBE(32);
    return ledger;
  }

  write(about: Table): void {
    const bytes = Buffer.allocUnsafe(NUMBERS * 8);
    bytes.writeDoubleBE(this.pending, 0);
    bytes.writeDoubleBE(this.pendingBytes, 8);
    bytes.writeDoubleBE(this.dead, 16);
    bytes.writeDoubleBE(this.deadBytes, 24);
    bytes.writeDoubleBE(this.sequence, 32);
    about.put(KEY, bytes);
  }

  get bytes(): number {
    return this.pendingBytes + this.deadBytes;
  }
}
