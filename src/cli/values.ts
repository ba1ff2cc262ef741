/**
 * Values as JSON. What JSON has no word for is an object with one key, which says what it is: `{"$date":"2026-01-31T..."}`.
 * An object that has such a key of its own goes as `{"$object":{...}}`, so that nothing is mistaken for anything else.
 */

/** A text that is no value; the message says why, as the end of a sentence. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

type Encoded = unknown;
type List = readonly unknown[];

const TYPED_ARRAYS = [
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

/** How each tag is read. @throws whatever its value is not good for */
const READERS: ReadonlyMap<string, (content: unknown) => unknown> = new Map<string, (content: unknown) => unknown>([
  ["$date", (content) => (content === null ? new Date(Number.NaN) : readDate(textOf(content)))],
  ["$bigint", (content) => BigInt(textOf(content))],
  ["$number", (content) => readNumber(textOf(content))],
  ["$undefined", () => undefined],
  ["$bytes", (content) => new Uint8Array(readBase64(content))],
  ["$ArrayBuffer", (content) => new Uint8Array(readBase64(content)).buffer],
  ["$DataView", (content) => new DataView(new Uint8Array(readBase64(content)).buffer)],
  ["$map", (content) => new Map(listOf(content).map((pair) => readPair(pair)))],
  ["$set", (content) => new Set(listOf(content).map((value) => read(value)))],
  ["$error", readError],
  ["$object", readMembers],
  ...TYPED_ARRAYS.map((Kind) => [`$${Kind.name}`, (content: unknown) => readTyped(Kind, listOf(content))] as const),
]);

/** @param indent for people; none is one line */
export function toJson(value: unknown, indent?: number): string {
  // What JSON leaves as it is may still make a terminal do things.
  return JSON.stringify(encode(value), undefined, indent).replace(/[\x7f-\x9f]/g, (control) => {
    return `\\u00${control.charCodeAt(0).toString(16)}`;
  });
}

/** @throws ValueError */
export function fromJson(text: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ValueError(`it is no JSON (${reasonOf(error)})`);
  }
  try {
    return read(parsed);
  } catch (error) {
    if (error instanceof RangeError) throw new ValueError("too many values are inside each other");
    throw error;
  }
}

/** The value for `JSON.stringify`. */
function encode(value: unknown): Encoded {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? "-0" : `${value}` };
    case "bigint":
      return { $bigint: `${value}` };
    case "undefined":
      return { $undefined: true };
    case "object":
      return value === null ? null : encodeObject(value);
    default:
      return value;
  }
}

function encodeObject(value: object): Encoded {
  if (Array.isArray(value)) return value.map(encode);
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  if (value instanceof Map) return { $map: Array.from(value, ([key, member]) => [encode(key), encode(member)]) };
  if (value instanceof Set) return { $set: Array.from(value, encode) };
  if (value instanceof Error) return { $error: encodeError(value) };
  if (value instanceof ArrayBuffer) return { $ArrayBuffer: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) return encodeView(value);
  const members = encodeMembers(Object.entries(value));
  return readerOf(value) === undefined ? members : { $object: members };
}

function encodeMembers(entries: readonly (readonly [string, unknown])[]): Encoded {
  return Object.fromEntries(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, encode(value)]])));
}

function encodeView(view: ArrayBufferView): Encoded {
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  if (view instanceof Uint8Array) return { $bytes: bytes.toString("base64") };
  if (view instanceof DataView) return { $DataView: bytes.toString("base64") };
  const items = Array.from(view as unknown as ArrayLike<unknown>, (item) =>
    typeof item === "bigint" ? `${item}` : encode(item),
  );
  return { [`$${Object.prototype.toString.call(view).slice("[object ".length, -1)}`]: items };
}

function encodeError(error: Error): Encoded {
  const { name, message, cause } = error;
  const code = "code" in error ? error.code : undefined;
  const errors = error instanceof AggregateError ? (error.errors as unknown) : undefined;
  return encodeMembers(Object.entries({ name, message, code, cause, errors }));
}

function readerOf(value: object): ((content: unknown) => unknown) | undefined {
  const [key, ...others] = Object.keys(value);
  return key !== undefined && others.length === 0 ? READERS.get(key) : undefined;
}

/** What was parsed, with what the tags mean. @throws ValueError */
function read(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(read);
  const reader = readerOf(value);
  if (reader === undefined) return readMembers(value);
  try {
    return reader(Object.values(value)[0]);
  } catch (error) {
    if (error instanceof ValueError) throw error;
    throw new ValueError(`${JSON.stringify(value).slice(0, 100)} is no value: ${reasonOf(error)}`);
  }
}

function readMembers(content: unknown): Readonly<Record<string, unknown>> {
  if (typeof content !== "object" || content === null || Array.isArray(content)) throw new Error("it takes an object");
  return Object.fromEntries(Object.entries(content).map(([key, member]) => [key, read(member)]));
}

function readDate(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new Error("it takes a time such as 2026-01-31T12:00:00Z, or null");
  return date;
}

function readNumber(text: string): number {
  if (!["NaN", "Infinity", "-Infinity", "-0"].includes(text)) throw new Error("it is NaN, Infinity, -Infinity or -0");
  return Number(text);
}

function readBase64(content: unknown): Buffer {
  const text = textOf(content);
  if (!/^[\w+/-]*={0,2}$/.test(text)) throw new Error("it takes base64");
  return Buffer.from(text, "base64");
}

function readPair(pair: unknown): readonly [unknown, unknown] {
  const [key, value, ...others] = listOf(pair);
  if (others.length > 0) throw new Error("it takes a list of [key, value]");
  return [read(key), read(value)];
}

function readTyped(Kind: (typeof TYPED_ARRAYS)[number], items: List): ArrayBufferView {
  if (Kind === BigInt64Array || Kind === BigUint64Array) return Kind.from(items.map((item) => BigInt(textOf(item))));
  const numbers = items.map((item) => {
    const number = read(item);
    if (typeof number !== "number") throw new Error("it takes a list of numbers");
    return number;
  });
  return (Kind as Float64ArrayConstructor).from(numbers);
}

function readError(content: unknown): Error {
  const { name, message, code, cause, errors } = readMembers(content);
  const options = cause === undefined ? undefined : { cause };
  const text = textOf(message);
  const error = Array.isArray(errors) ? new AggregateError(errors, text, options) : new Error(text, options);
  return Object.assign(error, { name: textOf(name) }, code === undefined ? {} : { code });
}

function textOf(content: unknown): string {
  if (typeof content !== "string") throw new Error("it takes a text");
  return content;
}

function listOf(content: unknown): List {
  if (!Array.isArray(content)) throw new Error("it takes a list");
  return content;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
