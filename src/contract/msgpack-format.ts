/**
 * Extension types, application-specific by MessagePack's rules (0 to 127). Each is complete in its own bytes, so that
 * any MessagePack library can step over it. Timestamps are MessagePack's own extension, -1.
 */
export const Extension = {
  UNDEFINED: 0,
  MAP: 1,
  SET: 2,
  ERROR: 3,
  BIGINT: 4,
  TYPED_ARRAY: 5,
  TIMESTAMP: 0xff,
} as const;

/** Kinds of memory by their number in a TYPED_ARRAY extension; the bytes are little-endian, as in memory. */
export const TYPED_ARRAYS = [
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
export const ARRAY_BUFFER = 16;
export const DATA_VIEW = 17;

/** The classes of errors that come back as what they were; all others come back as `Error` with their name. */
export const ERROR_CLASSES: ReadonlyMap<string, ErrorConstructor> = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((one) => [one.name, one]),
);
