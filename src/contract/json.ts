import { type Codec, CodecError } from "./codec.js";
import { readJson } from "./json-reader.js";
import { isReservedKey, MAX_DEPTH } from "./limits.js";
import { isOpaque, kindOf } from "./opaque.js";
import type { Writer } from "./writer.js";

/**
 * JSON, for the sake of readers in other languages. What it has no word for is refused, not changed: BigInt, Map, Set,
 * binary, NaN, the infinities and `undefined` in an array. As everywhere in JSON, a Date goes as ISO text, an object as what
 * its `toJSON` says, and a property that is `undefined` is left out.
 */
export function json(out: Writer): Codec {
  return {
    id: 2,
    encode: (value) => {
      // No bytes at all are `undefined`.
      if (value === undefined) return;
      const plain = toPlain(value, 0);
      const text = JSON.stringify(plain);
      out.text(text, Buffer.byteLength(text));
    },
    decode: readJson,
  };
}

/** A value of what JSON has, checked. */
function toPlain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      throw refused(String(value));
    case "object":
      return value === null ? null : plainObject(value, depth);
    default:
      throw refused(`a ${typeof value}`);
  }
}

function plainObject(value: object, depth: number): unknown {
  if (depth >= MAX_DEPTH) throw new CodecError(`more than ${MAX_DEPTH} values inside each other (a cycle?)`);
  if (Array.isArray(value)) return Array.from(value, (item) => toPlain(item, depth + 1));
  const isBinary = ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
  if (isBinary || value instanceof Map || value instanceof Set || value instanceof RegExp || value instanceof Promise) {
    throw refused(`a ${kindOf(value)}`);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return toPlain(value.toJSON(), depth + 1);
  if (isOpaque(value)) throw refused(`a ${kindOf(value)}`);
  if (value instanceof Error) return { name: value.name, message: value.message };
  const plain: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (isReservedKey(key)) throw new CodecError(`an object with the key ${JSON.stringify(key)}`);
    if (member !== undefined) plain[key] = toPlain(member, depth + 1);
  }
  return plain;
}

function refused(what: string): CodecError {
  return new CodecError(`${what} cannot be sent as JSON; codec "msgpack" can carry more`);
}
