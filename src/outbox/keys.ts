/** Numbers and texts as keys of tables: bytes in the order of what they stand for. */

const HIGH = 0x1_0000_0000;

/** A whole number of 0 or more, as 8 bytes in its order. */
export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  writeNumber(key, value, 0);
  return key;
}

export function readNumber(bytes: Buffer, offset = 0): number {
  return bytes.readUInt32BE(offset) * HIGH + bytes.readUInt32BE(offset + 4);
}

/** First by time, then by sequence. */
export function timedKey(at: number, sequence: number): Buffer {
  const key = Buffer.allocUnsafe(16);
  writeNumber(key, at, 0);
  writeNumber(key, sequence, 8);
  return key;
}

/** All with the same text are together, by sequence. The length comes first, so that no text begins another. */
export function namedKey(name: Uint8Array, sequence: number): Buffer {
  const key = Buffer.allocUnsafe(2 + name.length + 8);
  key.writeUInt16BE(name.length, 0);
  key.set(name, 2);
  writeNumber(key, sequence, 2 + name.length);
  return key;
}

/** Of a `timedKey` or a `namedKey`. */
export function sequenceOf(key: Buffer): number {
  return readNumber(key, key.length - 8);
}

function writeNumber(target: Buffer, value: number, offset: number): void {
  const whole = Math.min(Math.max(Math.ceil(value), 0), Number.MAX_SAFE_INTEGER);
  target.writeUInt32BE(Math.floor(whole / HIGH), offset);
  target.writeUInt32BE(whole % HIGH, offset + 4);
}
