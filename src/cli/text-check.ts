import { isUtf8 } from "node:buffer";

const NEWLINE = 0x0a;
/** A character of UTF-8 has at most so many bytes. */
const LONGEST = 4;

/** Whether bytes that come piece by piece are text. */
export class TextCheck {
  #isText = true;
  /** The beginning of a character that a piece ended in. */
  #begun = Buffer.alloc(0);
  #last: number | undefined;

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#last = bytes.at(-1);
    if (!this.#isText) return;
    let start = 0;
    if (this.#begun.length > 0) {
      start = Math.min(bytes.length, lengthOf(this.#begun[0]) - this.#begun.length);
      this.#begun = Buffer.concat([this.#begun, bytes.subarray(0, start)]);
      if (this.#begun.length < lengthOf(this.#begun[0])) return;
      this.#isText = isUtf8(this.#begun);
    }
    const end = bytes.length - begunAtEnd(bytes.subarray(start));
    this.#begun = Buffer.from(bytes.subarray(end));
    this.#isText &&= isUtf8(bytes.subarray(start, end));
  }

  /** True for a text that does not end its line, also for an empty one. */
  get lacksNewline(): boolean {
    return this.#isText && this.#begun.length === 0 && this.#last !== NEWLINE;
  }
}

/** How many bytes at the end are the beginning of a character that is not there whole. */
function begunAtEnd(bytes: Uint8Array): number {
  for (let back = 1; back < LONGEST && back <= bytes.length; back++) {
    const byte = bytes.at(-back) ?? 0;
    // Bytes of this kind go on with a character that began before.
    if (byte >= 0x80 && byte < 0xc0) continue;
    return lengthOf(byte) > back ? back : 0;
  }
  return 0;
}

/** How many bytes a character has, by its first. */
function lengthOf(first = 0): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : LONGEST;
}
