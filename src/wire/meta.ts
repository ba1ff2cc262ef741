import { violation } from "./decode.js";
import { MAX_ID_BYTES, MAX_META_BYTES, META_LENGTH_BYTES } from "./frame.js";

/** Texts by name that go along with a message: 8,192 bytes at most, all together. */
export type Headers = Readonly<Record<string, string>>;

/** What a message is known by, and what goes along with it. */
export interface Meta {
  readonly id: string | undefined;
  readonly headers: Headers;
}

export const NO_HEADERS: Headers = Object.freeze({});

const MAX_NAME_BYTES = 255;

/**
 * `u16 bytes of all that follows, u8 k, k bytes of the id, then for each header u8 n, name, u16 m, value`.
 *
 * @returns a text if it cannot go: why
 */
export function encodeMeta({ id = "", headers }: Meta): Uint8Array | string {
  const idBytes = Buffer.from(id);
  if (idBytes.length > MAX_ID_BYTES) return `the id has ${idBytes.length} bytes; it may have ${MAX_ID_BYTES}`;
  const parts: Uint8Array[] = [Uint8Array.of(idBytes.length), idBytes];
  let length = 1 + idBytes.length;
  for (const [name, value] of Object.entries(headers)) {
    const nameBytes = Buffer.from(name);
    const valueBytes = Buffer.from(value);
    if (nameBytes.length === 0 || nameBytes.length > MAX_NAME_BYTES) {
      return `the header ${JSON.stringify(name)} has a name of ${nameBytes.length} bytes; it has 1 to ${MAX_NAME_BYTES}`;
    }
    length += 1 + nameBytes.length + 2 + valueBytes.length;
    if (length > MAX_META_BYTES) break;
    parts.push(Uint8Array.of(nameBytes.length), nameBytes, u16(valueBytes.length), valueBytes);
  }
  if (length > MAX_META_BYTES) return `id and headers have more than ${MAX_META_BYTES} bytes together`;
  return Buffer.concat([u16(length), ...parts]);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >>> 8);
}

/** How many bytes the id and the headers have, as the field in front of them says. @throws EarshotError */
export function readMetaLength(bytes: Buffer, offset: number): number {
  const length = bytes.readUInt16LE(offset);
  if (length === 0 || length > MAX_META_BYTES) throw violation(`an id and headers of ${length} bytes`);
  return length;
}

/** Reads what `encodeMeta` has written, without its first `META_LENGTH_BYTES`. @throws EarshotError */
export function decodeMeta(bytes: Buffer): Meta {
  const idEnd = 1 + (bytes[0] ?? 0);
  if (idEnd - 1 > MAX_ID_BYTES) throw violation(`an id of ${idEnd - 1} bytes`);
  if (idEnd > bytes.length) throw violation("an id that is cut short");
  const id = idEnd === 1 ? undefined : readText(bytes, 1, idEnd);
  if (idEnd === bytes.length) return { id, headers: NO_HEADERS };
  // Whatever the names are, they are nothing but names.
  const headers: Record<string, string> = Object.create(null);
  for (let at = idEnd; at < bytes.length; ) {
    const nameEnd = at + 1 + (bytes[at] ?? 0);
    const valueStart = nameEnd + META_LENGTH_BYTES;
    if (nameEnd === at + 1) throw violation("a header without a name");
    if (valueStart > bytes.length) throw violation("headers that are cut short");
    const valueEnd = valueStart + bytes.readUInt16LE(nameEnd);
    if (valueEnd > bytes.length) throw violation("headers that are cut short");
    headers[readText(bytes, at + 1, nameEnd)] = readText(bytes, valueStart, valueEnd);
    at = valueEnd;
  }
  return { id, headers: Object.freeze(headers) };
}

/** Bytes that are no UTF-8 would make different texts equal. */
function readText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start, end);
  if (text.includes("\ufffd") && !Buffer.from(text).equals(bytes.subarray(start, end))) {
    throw violation("an id or a header that is not UTF-8");
  }
  return text;
}
