import { closeSync, openSync, readSync } from "node:fs";

/**
 * The pages of an LMDB file, as far as it takes to find those that are in use. Needed for a file that ends before the last
 * page that it speaks of: LMDB reads it through a map of memory, and a page that is not there ends the process.
 */

/** Of a page: number, transaction, padding, flags, lower and upper bound of its free space; then where its nodes begin. */
const PAGE_FLAGS = 18;
const PAGE_LOWER = 20;
const PAGE_HEAD = 24;
const BRANCH = 0x01;
const LEAF = 0x02;
/** Of a node: two halves of a size or page number, flags, the length of its key; then the key. */
const NODE_HEAD = 8;
const ON_OTHER_PAGES = 0x01;
const TABLE = 0x02;
/** Of a table: 48 bytes, the last 8 of them the number of its first page. */
const TABLE_ROOT = 40;
/** Of the first two pages: where the tables of free pages and of tables are, and which transaction wrote it. */
const META_TABLES = [48, 96] as const;
const META_TRANSACTION = 152;

/** Deeper than any tree of such pages can be: a circle. */
const MAX_DEPTH = 64;

/** A page of a tree, or a place in the file, that cannot be what was written. */
class Broken extends Error {}

/** Whether everything that is in use is there. Nobody may write meanwhile. */
export function isComplete(file: string, pageBytes: number, fileBytes: number): boolean {
  const fd = openSync(file, "r");
  try {
    new Walk(fd, pageBytes, fileBytes).run();
    return true;
  } catch (error) {
    if (error instanceof Broken || error instanceof RangeError) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

class Walk {
  readonly #fd: number;
  readonly #pageBytes: number;
  readonly #pages: number;

  constructor(fd: number, pageBytes: number, fileBytes: number) {
    this.#fd = fd;
    this.#pageBytes = pageBytes;
    this.#pages = Math.floor(fileBytes / pageBytes);
  }

  run(): void {
    const metas = [this.#read(0), this.#read(1)];
    metas.sort((a, b) => Number(b.readBigUInt64LE(META_TRANSACTION) - a.readBigUInt64LE(META_TRANSACTION)));
    for (const at of META_TABLES) this.#table(metas[0] ?? Buffer.alloc(0), at, 0);
  }

  #read(page: number): Buffer {
    if (page >= this.#pages) throw new Broken();
    const bytes = Buffer.allocUnsafe(this.#pageBytes);
    if (readSync(this.#fd, bytes, 0, bytes.length, page * this.#pageBytes) < bytes.length) throw new Broken();
    return bytes;
  }

  #table(bytes: Buffer, at: number, depth: number): void {
    const root = bytes.readBigUInt64LE(at + TABLE_ROOT);
    // All ones: an empty table.
    if (root !== 0xffff_ffff_ffff_ffffn) this.#tree(Number(root), depth + 1);
  }

  #tree(number: number, depth: number): void {
    const page = this.#read(number);
    const flags = page.readUInt16LE(PAGE_FLAGS);
    if (depth > MAX_DEPTH || Number(page.readBigUInt64LE(0)) !== number || (flags & (BRANCH | LEAF)) === 0)
      throw new Broken();
    const nodes = page.readUInt16LE(PAGE_LOWER) >> 1;
    for (let index = 0; index < nodes; index++) {
      const node = page.readUInt16LE(PAGE_HEAD + 2 * index) + PAGE_HEAD;
      if ((flags & BRANCH) !== 0)
        this.#tree(page.readUInt32LE(node) + page.readUInt16LE(node + 4) * 2 ** 32, depth + 1);
      else this.#leaf(page, node, depth);
    }
  }

  #leaf(page: Buffer, node: number, depth: number): void {
    const flags = page.readUInt16LE(node + 4);
    const value = node + NODE_HEAD + page.readUInt16LE(node + 6);
    if ((flags & TABLE) !== 0) this.#table(page, value, depth);
    if ((flags & ON_OTHER_PAGES) === 0) return;
    const end = page.readBigUInt64LE(value) + page.readBigUInt64LE(value + 16);
    if (end > BigInt(this.#pages)) throw new Broken();
  }
}
