import { EarshotError } from "../index.js";

const NEWLINE = 0x0a;

export interface Line {
  readonly text: string;
  /** Counted from 1. */
  readonly number: number;
}

/**
 * Lines of UTF-8, each as soon as it is there. Only what was asked for is read, and only one line is in memory.
 *
 * @param maxBytes the longest line that is taken
 * @throws EarshotError `MESSAGE_TOO_LARGE`, `INVALID_JSON` for what is no text
 */
export async function* readLines(
  pieces: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Line, void, undefined> {
  let begun: Buffer[] = [];
  let length = 0;
  let number = 1;
  const take = (piece: Buffer) => {
    length += piece.length;
    if (length > maxBytes) throw tooLong(number, maxBytes);
    begun.push(piece);
  };
  const finish = () => {
    const line = { text: decode(begun.length === 1 ? begun[0] : Buffer.concat(begun, length), number), number };
    begun = [];
    length = 0;
    number++;
    return line;
  };
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
      take(piece.subarray(start, end));
      start = end + 1;
      yield finish();
    }
    if (start < piece.length) take(piece.subarray(start));
  }
  if (length > 0) yield finish();
}

/** All of it. @throws EarshotError as `readLines` */
export async function readText(pieces: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const all: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > maxBytes) throw tooLong(undefined, maxBytes);
    all.push(piece);
  }
  return decode(Buffer.concat(all, length), undefined);
}

function decode(bytes: Buffer | undefined, number: number | undefined): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new EarshotError("INVALID_JSON", `Cannot read ${placeOf(number)}: it is no UTF-8`, { delivery: "unsent" });
  }
}

function tooLong(number: number | undefined, maxBytes: number): EarshotError {
  const fact = `it has more than ${maxBytes} bytes (--max-message-bytes)`;
  return new EarshotError("MESSAGE_TOO_LARGE", `Cannot read ${placeOf(number)}: ${fact}`, { delivery: "unsent" });
}

/** @param number none for all of it */
export function placeOf(number: number | undefined): string {
  return number === undefined ? "standard input" : `line ${number} of standard input`;
}
