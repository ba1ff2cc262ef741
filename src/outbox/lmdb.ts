import { EarshotError } from "../errors.js";

/** What is used of the package `lmdb`, written down so that nobody who has not installed it needs its types. */
export interface Table {
  get(key: Buffer): Buffer | undefined;
  put(key: Buffer, value: Uint8Array): unknown;
  remove(key: Buffer): unknown;
  /** In order of keys, from `start` (included) to `end` (excluded). */
  getRange(options: RangeOptions): Iterable<{ readonly key: Buffer; readonly value: Buffer }>;
  getKeys(options: RangeOptions): Iterable<Buffer>;
}

interface RangeOptions {
  readonly start?: Buffer;
  readonly end?: Buffer;
  readonly limit?: number;
  readonly reverse?: boolean;
  /** False for reads that look at the newest, and hold no old pages back. */
  readonly snapshot?: boolean;
}

interface TableOptions {
  readonly encoding: "binary";
  readonly keyEncoding: "binary";
}

/** All tables of a directory. */
export interface Root {
  openDB(name: string, options: TableOptions): Table;
  /** Runs it in a transaction, in which other processes wait; if it throws, nothing of it has happened. */
  childTransaction<T>(action: () => T): Promise<T>;
  transactionSync<T>(action: () => T): T;
  /** Everything committed so far to the disk. */
  sync(onDone: (error: unknown) => void): unknown;
  /** What other processes have committed is read from now on. */
  resetReadTxn(): void;
  /** Takes the places of readers that are gone: the pages that these saw are used again. */
  readerCheck(): number;
  close(): Promise<void>;
}

export interface RootOptions extends TableOptions {
  readonly path: string;
  readonly maxDbs: number;
  /** Of all processes together; each that reads has a place or two. */
  readonly maxReaders: number;
  /** With batches of its own, a commit that fails also rejects a promise that nobody has. */
  readonly eventTurnBatching: false;
}

export type OpenRoot = (options: RootOptions) => Root;

/** @throws EarshotError `UNSUPPORTED` */
export async function loadLmdb(what: string): Promise<OpenRoot> {
  try {
    const lmdb = await import("lmdb");
    return lmdb.open as unknown as OpenRoot;
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    const fact = isMissing
      ? "it needs the package lmdb, which is not installed: npm install lmdb"
      : `the package lmdb cannot be loaded (${cause instanceof Error ? cause.message : String(cause)}): npm rebuild lmdb`;
    throw new EarshotError("UNSUPPORTED", `Cannot open ${what}: ${fact}`, { op: "open", cause });
  }
}

/** Whether there is such a row; its value, which may be large, is not read. */
export function hasRow(table: Table, key: Buffer): boolean {
  for (const found of table.getKeys({ start: key, limit: 1, snapshot: false })) return found.equals(key);
  return false;
}
