import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { failure, fromSystem, systemCode } from "../errors.js";

const OTHERS = 0o077;
const MODE = 0o777;
/** What LMDB writes before anything else: two pages, at the beginning of each a stamp. */
const STAMP = 0xbeef_c0de;
const STAMP_OFFSET = 24;
const LAST_PAGE_OFFSET = 144;
const PAGE_BYTES_OFFSET = 48;

/**
 * Makes the directory, for this user alone, or finds it so.
 *
 * @throws EarshotError `UNSAFE_DIRECTORY`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, ...
 */
export function preparePrivateDirectory(directory: string): void {
  try {
    // In two steps: for the last one, `recursive` hides why it failed.
    mkdirSync(dirname(resolve(directory)), { recursive: true, mode: 0o700 });
    makeDirectory(directory);
  } catch (error) {
    if (["EEXIST", "ENOTDIR"].includes(systemCode(error) ?? ""))
      throw failure("INVALID_ARGUMENT", "open", directory, "there is something that is not a directory");
    throw fromSystem(error, "open", directory, accessFact(error, directory));
  }
  const facts = statSync(directory);
  if (!facts.isDirectory())
    throw failure("INVALID_ARGUMENT", "open", directory, "there is something that is not a directory");
  assertPrivate(directory, facts);
}

/** Another process may make it in the same moment. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!existsSync(directory)) throw error;
  }
}

function assertPrivate(directory: string, { mode, uid }: Stats): void {
  const own = process.geteuid?.();
  if (own !== undefined && own !== 0 && uid !== own) {
    const fact = `the directory belongs to user ${uid}, and this process runs as ${own}; use a directory of its own`;
    throw failure("UNSAFE_DIRECTORY", "open", directory, fact);
  }
  if ((mode & OTHERS) === 0) return;
  const octal = (mode & MODE).toString(8);
  const fact = `others may look into the directory (its mode is ${octal}); chmod 700 it, or name one that is not there yet`;
  throw failure("UNSAFE_DIRECTORY", "open", directory, fact);
}

export function accessFact(error: unknown, directory: string): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EROFS")
    return `the file system of ${directory} is read-only; choose a directory that can be written to`;
  if (code === "EACCES" || code === "EPERM")
    return "this user may not write there; check the owner and mode of the directory and of those above it";
  if (code === "ENOENT") return "there is no such directory";
  return code === "ENOSPC" ? "the disk is full; free some space" : undefined;
}

export function storeFile(directory: string): string {
  return join(directory, "data.mdb");
}

/** How many bytes the file system has left for this user. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** 0 if there is no store yet. */
export function storeBytes(directory: string): number {
  return statSync(storeFile(directory), { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * What LMDB takes for granted, and dies of if it is not so.
 *
 * @throws EarshotError `STORE_DAMAGED`
 */
export function assertStoreFile(directory: string): void {
  const { pages, pageBytes, size } = readHead(directory) ?? { pages: 0, pageBytes: 0, size: 0 };
  if (size === 0 || (pages >= 2 && size >= 2 * pageBytes)) return;
  const fact = `data.mdb is ${pages === 0 ? "not a store" : "cut short"}; ${DAMAGE_REMEDY}`;
  throw failure("STORE_DAMAGED", "open", directory, fact);
}

export const DAMAGE_REMEDY =
  "keep a copy of the directory if its content matters, restore it from a backup or remove it, and open it again";

export interface StoreHead {
  /** How many it speaks of; 0 where there is no stamp. */
  readonly pages: number;
  readonly pageBytes: number;
  readonly size: number;
}

/** What the file says of itself; `undefined`: there is none. */
export function readHead(directory: string): StoreHead | undefined {
  let fd: number;
  try {
    fd = openSync(storeFile(directory), "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw fromSystem(error, "open", directory, accessFact(error, directory));
  }
  try {
    const { size } = fstatSync(fd);
    const first = readPart(fd, 0);
    const pageBytes = first.readUInt32LE(PAGE_BYTES_OFFSET);
    if (first.readUInt32LE(STAMP_OFFSET) !== STAMP || pageBytes < 512 || pageBytes > 65_536)
      return { pages: 0, pageBytes: 0, size };
    const last = [first, readPart(fd, pageBytes)].map((part) => Number(part.readBigUInt64LE(LAST_PAGE_OFFSET)));
    return { pages: Math.max(...last) + 1, pageBytes, size };
  } finally {
    closeSync(fd);
  }
}

function readPart(fd: number, at: number): Buffer {
  const part = Buffer.alloc(256);
  readSync(fd, part, 0, part.length, at);
  return part;
}
