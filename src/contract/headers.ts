import { EarshotError } from "../errors.js";
import { CodecError } from "./codec.js";
import { MAX_HEADER_BYTES } from "./limits.js";
import type { Writer } from "./writer.js";

export type Headers = Readonly<Record<string, string>>;

export const NO_HEADERS: Headers = Object.freeze({});

const MAX_HEADER_NAME_BYTES = 255;

/**
 * Appends `u16 bytes of all that follows`, then for each header `u8 n, name, u16 m, value`.
 *
 * @throws EarshotError `INVALID_ARGUMENT`
 */
export function writeHeaders(headers: Headers, out: Writer): void {
  const mark = out.mark();
  out.uint16(0);
  let total = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") throw wrong(`${JSON.stringify(name)} is ${typeof value}; values are texts`);
    const nameBytes = Buffer.byteLength(name);
    const valueBytes = Buffer.byteLength(value);
    if (nameBytes === 0 || nameBytes > MAX_HEADER_NAME_BYTES) {
      throw wrong(`the name ${JSON.stringify(name)} has ${nameBytes} bytes; it has 1 to ${MAX_HEADER_NAME_BYTES}`);
    }
    total += nameBytes + valueBytes;
    if (total > MAX_HEADER_BYTES) {
      throw wrong(`names and values have more than ${MAX_HEADER_BYTES} bytes; what is large belongs into the input`);
    }
    out.byte(nameBytes);
    out.text(name, nameBytes);
    out.uint16(valueBytes);
    out.text(value, valueBytes);
  }
  out.setUint16(mark, out.mark() - mark - 2);
}

function wrong(fact: string): EarshotError {
  return new EarshotError("INVALID_ARGUMENT", `Cannot send these headers: ${fact}`);
}

/** Reads them back, without the u16 in front. @throws CodecError */
export function readHeaders(source: Buffer, start: number, end: number): Headers {
  // Whatever the names are, they are nothing but names.
  const headers: Record<string, string> = Object.create(null);
  let total = 0;
  let at = start;
  while (at < end) {
    const nameEnd = at + 1 + (source[at] as number);
    const valueStart = nameEnd + 2;
    if (valueStart > end) throw new CodecError("headers that are cut short");
    const valueEnd = valueStart + source.readUInt16LE(nameEnd);
    if (valueEnd > end) throw new CodecError("headers that are cut short");
    total += nameEnd - at - 1 + (valueEnd - valueStart);
    if (total > MAX_HEADER_BYTES) throw new CodecError(`headers of more than ${MAX_HEADER_BYTES} bytes`);
    headers[source.toString("utf8", at + 1, nameEnd)] = source.toString("utf8", valueStart, valueEnd);
    at = valueEnd;
  }
  return headers;
}
