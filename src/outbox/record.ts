import { crc32 } from "node:zlib";
import { EarshotError } from "../errors.js";

/** A message as it is kept. */
export interface KeptMessage {
  /** Empty: it is made of its sequence. */
  readonly id: string;
  /** Empty: none. */
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Wall clock, milliseconds. */
  readonly postedAt: number;
  /** 0: at once. */
  readonly dueAt: number;
  /** 0: never. */
  readonly expiresAt: number;
  readonly data: Uint8Array;
}

/** What the tables know a message by. */
export type RecordHead = Pick<KeptMessage, "id" | "key" | "dueAt" | "expiresAt">;

const FORMAT = 1;
/** crc32, format, lengths, times; then id, key, headers, data. */
const HEAD_BYTES = 36;
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

export function encodeRecord(message: KeptMessage): Buffer {
  const { id, key, headers, data } = message;
  const headerText = headers === NO_HEADERS || Object.keys(headers).length === 0 ? "" : JSON.stringify(headers);
  const idBytes = Buffer.byteLength(id);
  const keyBytes = Buffer.byteLength(key);
  const headerBytes = Buffer.byteLength(headerText);
  const record = Buffer.allocUnsafe(HEAD_BYTES + idBytes + keyBytes + headerBytes + data.length);
  record.writeUInt16BE(FORMAT, 4);
  record.writeUInt16BE(idBytes, 6);
  record.writeUInt16BE(keyBytes, 8);
  record.writeUInt16BE(headerBytes, 10);
  record.writeDoubleBE(message.postedAt, 12);
  record.writeDoubleBE(message.dueAt, 20);
  record.writeDoubleBE(message.expiresAt, 28);
  let at = HEAD_BYTES;
  at += record.write(id, at);
  at += record.write(key, at);
  at += record.write(headerText, at);
  record.set(data, at);
  record.writeUInt32BE(crc32(record.subarray(4)), 0);
  return record;
}

/** @throws EarshotError `STORE_DAMAGED`, without saying which store */
export function decodeRecord(record: Buffer): KeptMessage {
  // The disk's word is not taken for it: a flipped bit is found before anybody is sent it.
  if (!isWhole(record))
    throw new EarshotError("STORE_DAMAGED", "a message is not what was written: its checksum differs");
  const idEnd = HEAD_BYTES + record.readUInt16BE(6);
  const keyEnd = idEnd + record.readUInt16BE(8);
  const headersEnd = keyEnd + record.readUInt16BE(10);
  return {
    id: record.toString("utf8", HEAD_BYTES, idEnd),
    key: record.toString("utf8", idEnd, keyEnd),
    headers: keyEnd === headersEnd ? NO_HEADERS : JSON.parse(record.toString("utf8", keyEnd, headersEnd)),
    postedAt: record.readDoubleBE(12),
    dueAt: record.readDoubleBE(20),
    expiresAt: record.readDoubleBE(28),
    data: record.subarray(headersEnd),
  };
}

/** Also of a damaged record: then as much as can be read, which need not be true. */
export function decodeHead(record: Buffer): RecordHead {
  if (record.length < HEAD_BYTES) return { id: "", key: "", dueAt: 0, expiresAt: 0 };
  const idEnd = HEAD_BYTES + record.readUInt16BE(6);
  return {
    id: record.toString("utf8", HEAD_BYTES, idEnd),
    key: record.toString("utf8", idEnd, idEnd + record.readUInt16BE(8)),
    dueAt: record.readDoubleBE(20),
    expiresAt: record.readDoubleBE(28),
  };
}

/** Whether it is what was written. */
export function isWhole(record: Buffer): boolean {
  return (
    record.length >= HEAD_BYTES &&
    record.readUInt32BE(0) === crc32(record.subarray(4)) &&
    record.readUInt16BE(4) === FORMAT
  );
}
