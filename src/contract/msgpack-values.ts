import { CodecError } from "./codec.js";
import { MAX_BIGINT_BYTES } from "./limits.js";
import { ARRAY_BUFFER, DATA_VIEW, ERROR_CLASSES, TYPED_ARRAYS } from "./msgpack-format.js";
import { readUtf8 } from "./utf8.js";

/** Longer texts are read by Node: for shorter ones the way there costs more than a loop. */
const SHORT_TEXT = 12;

/** UTF-8; what is none becomes U+FFFD. */
export function readText(source: Buffer, at: number, length: number): string {
  if (length > SHORT_TEXT) return readUtf8(source, at, at + length);
  let text = "";
  for (let index = at; index < at + length; index++) {
    const byte = source[index] as number;
    if (byte >= 0x80) return readUtf8(source, at, at + length);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Two's complement, big-endian, in as few bytes as hold it. @throws CodecError */
export function bigintBytes(value: bigint): Buffer {
  const digits = (value < 0n ? ~value : value).toString(16);
  const bits = 4 * digits.length - Math.clz32(Number.parseInt(digits.charAt(0), 16)) + 28;
  // One bit more, for the sign.
  const length = Math.floor(bits / 8) + 1;
  if (length > MAX_BIGINT_BYTES) throw new CodecError(`a BigInt of more than ${MAX_BIGINT_BYTES} bytes`);
  const bytes = Buffer.from(digits.padStart(2 * length, "0"), "hex");
  if (value < 0n) for (let index = 0; index < length; index++) bytes[index] = ~(bytes[index] ?? 0);
  return bytes;
}

/** The reverse. @throws CodecError */
export function readBigint(source: Buffer, at: number, length: number): bigint {
  if (length === 0 || length > MAX_BIGINT_BYTES) {
    throw new CodecError(`a BigInt of ${length} bytes; it has 1 to ${MAX_BIGINT_BYTES}`);
  }
  return BigInt.asIntN(8 * length, BigInt(`0x${source.toString("hex", at, at + length)}`));
}

/** A byte that says of what kind, and its memory. */
export function readTyped(source: Buffer, at: number, length: number): ArrayBuffer | ArrayBufferView {
  if (length === 0) throw new CodecError("a typed array that does not say of what kind");
  const kind = source[at] as number;
  const size = length - 1;
  const memory = new ArrayBuffer(size);
  new Uint8Array(memory).set(source.subarray(at + 1, at + length));
  if (kind === ARRAY_BUFFER) return memory;
  if (kind === DATA_VIEW) return new DataView(memory);
  const Kind = TYPED_ARRAYS[kind];
  if (Kind === undefined) throw new CodecError(`a typed array of kind ${kind}, which is not known`);
  if (size % Kind.BYTES_PER_ELEMENT !== 0) throw new CodecError(`a ${Kind.name} of ${size} bytes`);
  return new Kind(memory);
}

/** MessagePack's timestamps of 4, 8 and 12 bytes; what is finer than a millisecond is cut. One byte: an invalid date. */
export function readTimestamp(source: Buffer, at: number, length: number): Date {
  switch (length) {
    case 1:
      return new Date(Number.NaN);
    case 4:
      return new Date(source.readUInt32BE(at) * 1_000);
    case 8: {
      const high = source.readUInt32BE(at);
      const seconds = (high & 0x3) * 0x1_0000_0000 + source.readUInt32BE(at + 4);
      return new Date(seconds * 1_000 + Math.floor((high >>> 2) / 1_000_000));
    }
    case 12: {
      const seconds = Number(source.readBigInt64BE(at + 4));
      return new Date(seconds * 1_000 + Math.floor(source.readUInt32BE(at) / 1_000_000));
    }
    default:
      throw new CodecError(`a timestamp of ${length} bytes`);
  }
}

/** What travels of an error. */
export function errorFields(error: Error): Readonly<Record<string, unknown>> {
  const { name, message, cause } = error;
  const code = "code" in error ? error.code : undefined;
  return {
    name: String(name),
    message: String(message),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(cause === undefined ? {} : { cause }),
    ...(error instanceof AggregateError ? { errors: error.errors } : {}),
  };
}

/** The fields of an error, to an error without a stack: where it was made is not where it was thrown. */
export function readError(value: unknown): Error {
  const fields = (typeof value === "object" ? value : undefined) as
    | Readonly<Record<string, unknown>>
    | null
    | undefined;
  const { name, message, code, cause, errors } = fields ?? {};
  if (typeof name !== "string" || typeof message !== "string") {
    throw new CodecError("an error without a name and a message");
  }
  const options = cause === undefined ? undefined : { cause };
  const isAggregate = name === "AggregateError" && Array.isArray(errors);
  const Class = ERROR_CLASSES.get(name) ?? Error;
  const error = isAggregate ? new AggregateError(errors, message, options) : new Class(message, options);
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  if (typeof code === "string" || typeof code === "number") Object.assign(error, { code });
  error.stack = `${name}: ${message}`;
  return error;
}
