import fc from "fast-check";

/** Depths and sizes that random values reach; the limits have tests of their own. */
const DEPTH = { maxDepth: 4, depthSize: "small" } as const;

const RESERVED = ["__proto__", "constructor", "prototype"];
const key = fc.string({ maxLength: 40 }).filter((text) => !RESERVED.includes(text));

const numbers = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -0, 127, 128, -32, -33, 255, 256, 65_535, 65_536),
);
const texts = fc.oneof(fc.string({ unit: "grapheme", maxLength: 80 }), fc.string({ maxLength: 300 }));
const bigints = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 520n), max: 2n ** 520n }),
  fc.constantFrom(2n ** 63n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 63n) - 1n, 2n ** 64n - 1n, 2n ** 64n),
);
const typedArrays = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.uint8Array().map((bytes) => new Uint8Array(bytes).buffer),
  fc.uint8Array().map((bytes) => new DataView(new Uint8Array(bytes).buffer)),
);
const dates = fc.date({ noInvalidDate: false });

const ERRORS = [Error, TypeError, RangeError, SyntaxError] as const;
const errors = fc
  .tuple(fc.constantFrom(...ERRORS), fc.string(), fc.option(fc.string()), fc.option(fc.string()))
  .map(([Class, message, cause, code]) => {
    const error = new Class(message, cause === null ? undefined : { cause: new Error(cause) });
    return code === null ? error : Object.assign(error, { code });
  });

/** All that MessagePack carries here. */
export const carried: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    DEPTH,
    fc.oneof(
      numbers,
      texts,
      bigints,
      fc.boolean(),
      fc.constant(null),
      fc.constant(undefined),
      dates,
      typedArrays,
      errors,
    ),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 8 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 8 }).map((items) => new Set(items)),
  ),
})).value;

/** All that JSON carries. */
export const jsonCarried: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    DEPTH,
    fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
      fc.integer(),
      texts,
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

/** What must be equal of an error is what it says, not where it was made; of a date its time, also if it is none. */
export function comparable(value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return { error: name, message, cause: comparable(cause), code: "code" in value ? value.code : undefined };
  }
  if (value instanceof Date) return { time: value.getTime() };
  if (Array.isArray(value)) return value.map(comparable);
  if (value instanceof Map) return new Map([...value].map(([one, other]) => [comparable(one), comparable(other)]));
  if (value instanceof Set) return new Set([...value].map(comparable));
  const isPlain = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain
    ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, comparable(member)]))
    : value;
}
