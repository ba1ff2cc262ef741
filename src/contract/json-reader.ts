import { CodecError } from "./codec.js";
import { isReservedKey, MAX_DEPTH, MAX_VALUES } from "./limits.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Text in which a reserved key may be, also in escapes. */
const SUSPICIOUS = /__proto__|constructor|prototype|\\u/;

/** JSON to a value; no bytes at all are `undefined`. @throws CodecError */
export function readJson(source: Buffer, start: number, end: number): unknown {
  if (start === end) return undefined;
  assertBounded(source, start, end);
  const text = source.toString("utf8", start, end);
  let found: string | undefined;
  const inspect = (key: string, value: unknown) => {
    if (isReservedKey(key)) found = key;
    return value;
  };
  let value: unknown;
  try {
    value = JSON.parse(text, SUSPICIOUS.test(text) ? inspect : undefined);
  } catch {
    throw new CodecError("it is not JSON");
  }
  if (found !== undefined) throw new CodecError(`an object with the key ${JSON.stringify(found)}`);
  return value;
}

/** Depth and number of values, before anything is made of them. */
function assertBounded(source: Buffer, start: number, end: number): void {
  let depth = 0;
  let values = 1;
  let isText = false;
  for (let at = start; at < end; at++) {
    const byte = source[at];
    if (isText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === COMMA) values++;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      values++;
      depth++;
      if (depth > MAX_DEPTH) throw new CodecError(`more than ${MAX_DEPTH} values inside each other`);
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
  }
  if (values > MAX_VALUES) throw new CodecError(`more than ${MAX_VALUES} values`);
}
