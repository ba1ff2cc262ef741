import { randomBytes } from "node:crypto";
import { numberKey, readNumber } from "./keys.js";
import type { Table } from "./lmdb.js";
import { MAX_ID_BYTES } from "./options.js";

const STORE_ID = Buffer.from("id");
const OWN_NUMBER = /^[0-9a-z]{1,11}$/;

/**
 * By which ids messages are known: those that their senders gave are in a table; all others are made of the store's own
 * and their number, so that no two stores have the same.
 */
export class Ids {
  readonly #table: Table;
  readonly #about: Table;
  #storeId = "";

  constructor({ ids, about }: { readonly ids: Table; readonly about: Table }) {
    this.#table = ids;
    this.#about = about;
  }

  /** In a transaction, before anything is posted. */
  begin(): void {
    this.#storeId = this.#about.get(STORE_ID)?.toString() ?? "";
    // It is not known before it is on disk: this transaction may come to nothing, or another process be the first.
    if (this.#storeId === "") this.#about.put(STORE_ID, Buffer.from(randomBytes(15).toString("base64url")));
  }

  /** The id that a message goes by. @param given empty: none */
  of(given: string, sequence: number): string {
    return given === "" ? `${this.#ownId()}-${sequence.toString(36)}` : given;
  }

  /** The same, where the record cannot be believed. @param claimed what it says */
  ofDamaged(claimed: string, sequence: number): string {
    return this.of(this.isOf(claimed, sequence) ? claimed : this.givenTo(sequence), sequence);
  }

  /** Which message it stands for, or did: it may be gone. */
  find(id: string): number | undefined {
    if (!isPossible(id)) return undefined;
    const known = this.#table.get(Buffer.from(id));
    if (known !== undefined) return readNumber(known);
    const prefix = `${this.#ownId()}-`;
    const digits = id.slice(prefix.length);
    return id.startsWith(prefix) && OWN_NUMBER.test(digits) ? Number.parseInt(digits, 36) : undefined;
  }

  /** Whether this id was given to this message. */
  isOf(id: string, sequence: number): boolean {
    const known = isPossible(id) ? this.#table.get(Buffer.from(id)) : undefined;
    return known !== undefined && readNumber(known) === sequence;
  }

  /** The id that was given to a message; empty: none. All of the table is looked through. */
  givenTo(sequence: number): string {
    for (const { key, value } of this.#table.getRange({ snapshot: false }))
      if (readNumber(value) === sequence) return key.toString();
    return "";
  }

  /** From now on it stands for this message, whatever it stood for before. */
  give(id: string, sequence: number): void {
    this.#table.put(Buffer.from(id), numberKey(sequence));
  }

  /** The message is gone. @param id empty: none was given */
  takeBack(id: string, sequence: number): void {
    if (this.isOf(id, sequence)) this.#table.remove(Buffer.from(id));
  }

  #ownId(): string {
    return this.#storeId === "" ? (this.#about.get(STORE_ID)?.toString() ?? "") : this.#storeId;
  }
}

/** What LMDB would not take as a key is no message's id. */
function isPossible(id: string): boolean {
  return typeof id === "string" && id !== "" && Buffer.byteLength(id) <= MAX_ID_BYTES;
}
