import { readUtf8 } from "./utf8.js";

const ENTRIES = 256;

interface Entry {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** The keys of objects come again and again: those seen last are found by their bytes, without making a text of them. */
export class KeyCache {
  readonly #entries: (Entry | undefined)[] = new Array(ENTRIES).fill(undefined);

  read(source: Buffer, at: number, length: number): string {
    if (length === 0) return "";
    const first = source[at] as number;
    const last = source[at + length - 1] as number;
    const slot = (length * 31 + first * 7 + last * 13 + (source[at + (length >> 1)] as number)) % ENTRIES;
    const entry = this.#entries[slot];
    if (entry !== undefined && isSame(entry.bytes, source, at, length)) return entry.text;
    const text = readUtf8(source, at, at + length);
    this.#entries[slot] = { bytes: new Uint8Array(source.subarray(at, at + length)), text };
    return text;
  }
}

function isSame(bytes: Uint8Array, source: Buffer, at: number, length: number): boolean {
  if (bytes.length !== length) return false;
  for (let index = 0; index < length; index++) if (bytes[index] !== source[at + index]) return false;
  return true;
}
