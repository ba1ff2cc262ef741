/** Bytes from hexadecimal digits; white space is for the reader. */
export function unhex(text: string): Buffer {
  const digits = text.replaceAll(/\s/g, "");
  const bytes = Buffer.from(digits, "hex");
  if (bytes.length * 2 !== digits.length) throw new Error(`not hexadecimal: ${text}`);
  return bytes;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** `length` bytes that differ from place to place, so that any shift or mix-up shows. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >>> 8) * 17 + seed * 101) & 0xff;
  return bytes;
}

/** Cuts at these offsets; those that are out of range or repeated cut nothing. */
export function cutAt(bytes: Buffer, offsets: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    if (offset <= start || offset >= bytes.length) continue;
    parts.push(bytes.subarray(start, offset));
    start = offset;
  }
  if (start < bytes.length) parts.push(bytes.subarray(start));
  return parts;
}

/** Cuts after every byte. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
}

/**
 * Calls `take` with a copy of the bytes, and overwrites the copy afterwards, as transports do: who keeps what was
 * only borrowed shows at once.
 */
export function lend(bytes: Uint8Array, take: (borrowed: Buffer) => void): void {
  const borrowed = Buffer.from(bytes);
  take(borrowed);
  borrowed.fill(0xee);
}
