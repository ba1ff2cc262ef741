import { truncateSync } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import { EarshotError, type ErrorCode, failure, type Operation, systemCode } from "../errors.js";
import {
  accessFact,
  assertStoreFile,
  DAMAGE_REMEDY,
  freeBytes,
  preparePrivateDirectory,
  readHead,
  storeBytes,
  storeFile,
} from "./directory.js";
import { loadLmdb, type OpenRoot, type Root, type Table } from "./lmdb.js";
import { isComplete } from "./pages.js";

const TABLE_OPTIONS = { encoding: "binary", keyEncoding: "binary" } as const;
const FORMAT_KEY = Buffer.from("format");
/** So much of the disk is left alone, so that what is delivered can still be recorded when others have filled it. */
const RESERVE_BYTES = 1_048_576;

/** LMDB's own limit, 126, is less than the processes that may share a directory. */
const MAX_READERS = 2_048;

/** What a directory holds, and how it is laid out. */
export interface Layout<Name extends string> {
  readonly kind: "outbox" | "inbox";
  /** Raised when an older program could not read it. */
  readonly version: number;
  readonly tables: readonly Name[];
}

export type Tables<Name extends string> = Readonly<Record<Name | "about", Table>>;

/** A directory with an LMDB store in it, open. Several processes may have it open. */
export class Environment<Name extends string> {
  readonly directory: string;
  readonly tables: Tables<Name>;
  readonly #root: Root;
  #closing: Promise<void> | undefined;

  private constructor(directory: string, root: Root, tables: Tables<Name>) {
    this.directory = directory;
    this.#root = root;
    this.tables = tables;
  }

  /** @throws EarshotError `UNSUPPORTED`, `STORE_DAMAGED`, `VERSION_MISMATCH`, `PERMISSION_DENIED`, ... */
  static async open<Name extends string>(path: string, layout: Layout<Name>): Promise<Environment<Name>> {
    // It stays the same when the process goes to another working directory.
    const directory = resolve(path);
    const openRoot = await loadLmdb(`the ${layout.kind} ${JSON.stringify(path)}`);
    preparePrivateDirectory(directory);
    assertStoreFile(directory);
    const root = openFile(openRoot, directory, layout.tables.length);
    try {
      return new Environment(directory, root, openTables(root, directory, layout));
    } catch (error) {
      await root.close();
      throw toStoreError(error, "open", directory);
    }
  }

  /**
   * All or nothing; resolves when it survives the end of this process. Nobody else writes meanwhile.
   *
   * @throws EarshotError `STORE_FULL`, `STORE_DAMAGED`, `SYSTEM_ERROR`; what the action throws passes
   */
  async run<T>(op: Operation, action: () => T): Promise<T> {
    try {
      return await this.#root.childTransaction(action);
    } catch (error) {
      throw toStoreError(await reasonOf(error), op, this.directory);
    }
  }

  /** Resolves when everything committed before survives the end of the machine. */
  async sync(op: Operation): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#root.sync((error) => (error ? reject(toStoreError(error, op, this.directory)) : resolve()));
    });
  }

  /** What other processes did is seen from now on. */
  refresh(): void {
    this.#root.resetReadTxn();
  }

  /** A process that was killed while it read holds back what it saw, and the file grows: it is let go. */
  forgetDeadReaders(): void {
    this.#root.readerCheck();
  }

  /**
   * @param bytes how many are about to be written
   * @param keptBytes how many are in use: what the file has beyond that is used again
   * @throws EarshotError `STORE_FULL`
   */
  assertRoom(op: Operation, bytes: number, keptBytes: number): void {
    const free = freeBytes(this.directory);
    if (free >= RESERVE_BYTES + 2 * bytes) return;
    const reusable = Math.max(0, storeBytes(this.directory) - 2 * keptBytes);
    if (free >= bytes && free + reusable >= RESERVE_BYTES + 2 * bytes) return;
    const fact = `the disk is full (${free} bytes are free, of which ${RESERVE_BYTES} are kept for deliveries); free some space, nothing that was accepted is lost`;
    throw failure("STORE_FULL", op, this.directory, fact);
  }

  close(): Promise<void> {
    this.#closing ??= this.#root.close();
    return this.#closing;
  }
}

function openFile(openRoot: OpenRoot, directory: string, tables: number): Root {
  try {
    return openRoot({
      path: directory,
      maxDbs: tables + 1,
      maxReaders: MAX_READERS,
      eventTurnBatching: false,
      ...TABLE_OPTIONS,
    });
  } catch (error) {
    throw toStoreError(error, "open", directory);
  }
}

function openTables<Name extends string>(root: Root, directory: string, layout: Layout<Name>): Tables<Name> {
  root.transactionSync(() => mendEnd(directory));
  const about = root.openDB("about", TABLE_OPTIONS);
  assertFormat(root, about, directory, layout);
  const entries = layout.tables.map((name) => [name, root.openDB(name, TABLE_OPTIONS)] as const);
  return Object.fromEntries([...entries, ["about", about]]) as Tables<Name>;
}

/**
 * A file may end before the last page that it speaks of, if that is not in use: then it is made longer, while nobody else
 * writes. Otherwise it was cut short.
 *
 * @throws EarshotError `STORE_DAMAGED`
 */
function mendEnd(directory: string): void {
  const head = readHead(directory);
  if (head === undefined || head.size >= head.pages * head.pageBytes) return;
  if (!isComplete(storeFile(directory), head.pageBytes, head.size))
    throw failure("STORE_DAMAGED", "open", directory, `data.mdb is cut short; ${DAMAGE_REMEDY}`);
  truncateSync(storeFile(directory), head.pages * head.pageBytes);
}

function assertFormat(root: Root, about: Table, directory: string, { kind, version }: Layout<string>): void {
  const known = about.get(FORMAT_KEY)?.toString();
  if (known === undefined) {
    const format = Buffer.from(JSON.stringify({ kind, version }));
    root.transactionSync(() => {
      if (about.get(FORMAT_KEY) === undefined) about.put(FORMAT_KEY, format);
    });
    return;
  }
  const format = parseFormat(known);
  if (format.kind !== kind) {
    const fact = `it holds ${format.kind === undefined ? "something else" : `an ${format.kind}`}, not an ${kind}`;
    throw failure("INVALID_ARGUMENT", "open", directory, `${fact}; choose another directory`);
  }
  if (format.version === version) return;
  const fact = `its store has version ${format.version}, and this earshot reads ${version}; upgrade this program`;
  throw failure("VERSION_MISMATCH", "open", directory, fact);
}

function parseFormat(text: string): { readonly kind?: unknown; readonly version?: unknown } {
  try {
    const format: unknown = JSON.parse(text);
    return typeof format === "object" && format !== null ? format : {};
  } catch {
    return {};
  }
}

/** A commit that fails says so in two steps. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !("commitError" in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
const DAMAGES = /MDB_(CORRUPTED|PAGE_NOTFOUND|PANIC|INVALID|BAD_TXN)/;
/** Of LMDB, for a write that was not carried out in full. */
const SHORT_WRITE = "EIO";

/** Whatever LMDB or the system said, as an error that says what to do. */
export function toStoreError(error: unknown, op: Operation, directory: string): EarshotError {
  if (error instanceof EarshotError) return error.op === undefined ? inPlace(error, op, directory) : error;
  const text = error instanceof Error ? error.message : String(error);
  const number = error instanceof Error && "code" in error ? Number(error.code) : Number.NaN;
  const name = systemCode(error) ?? NAMES.get(Math.abs(number));
  const details = { cause: error };
  if (/MDB_VERSION_MISMATCH/.test(text)) {
    const fact = "data.mdb was written by another version of LMDB; use the version of the package lmdb that wrote it";
    return failure("VERSION_MISMATCH", op, directory, fact, details);
  }
  if (DAMAGES.test(text))
    return failure("STORE_DAMAGED", op, directory, `the store is damaged (${text}); ${DAMAGE_REMEDY}`, details);
  const isFull = name === "ENOSPC" || name === "EDQUOT" || (name === SHORT_WRITE && isNearlyFull(directory));
  if (isFull || /MDB_MAP_FULL/.test(text)) {
    const fact = "the disk is full; free some space, nothing that was accepted is lost";
    return failure("STORE_FULL", op, directory, fact, details);
  }
  const [code, fact] = systemFact(name, text, directory);
  return failure(code, op, directory, fact, details);
}

function systemFact(name: string | undefined, text: string, directory: string): [ErrorCode, string] {
  const fact = name === undefined ? undefined : accessFact(Object.assign(new Error(text), { code: name }), directory);
  const isDenied = name === "EACCES" || name === "EPERM" || name === "EROFS";
  return [isDenied ? "PERMISSION_DENIED" : "SYSTEM_ERROR", `${fact ?? text}${name === undefined ? "" : ` (${name})`}`];
}

function isNearlyFull(directory: string): boolean {
  try {
    return freeBytes(directory) < RESERVE_BYTES;
  } catch {
    return false;
  }
}

function inPlace(error: EarshotError, op: Operation, directory: string): EarshotError {
  const remedy = error.code === "STORE_DAMAGED" ? `; ${DAMAGE_REMEDY}` : "";
  return failure(error.code, op, directory, `${error.message}${remedy}`, { cause: error });
}
