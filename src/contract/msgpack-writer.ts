import { CodecError } from "./codec.js";
import { isReservedKey, MAX_DEPTH } from "./limits.js";
import { ARRAY_BUFFER, DATA_VIEW, Extension, TYPED_ARRAYS } from "./msgpack-format.js";
import { bigintBytes, errorFields } from "./msgpack-values.js";
import { isOpaque, kindOf } from "./opaque.js";
import { writeUtf8 } from "./utf8.js";
import type { Writer } from "./writer.js";

/** Longer texts are written by Node: for shorter ones the way there costs more than a loop. */
const SHORT_TEXT = 24;
/** Longer ones are measured before they are written. */
const MEDIUM_TEXT = 0xffff / 3;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Values to MessagePack. */
export class MessagePackWriter {
  readonly #out: Writer;

  constructor(out: Writer) {
    this.#out = out;
  }

  /** @throws CodecError */
  write(value: unknown): void {
    this.#value(value, 0);
  }

  /** @param depth 0 for the outermost */
  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.#text(value);
        return;
      case "number":
        this.#number(value);
        return;
      case "boolean":
        this.#out.byte(value ? 0xc3 : 0xc2);
        return;
      case "undefined":
        this.#extension(Extension.UNDEFINED, 1);
        this.#out.byte(0);
        return;
      case "bigint":
        this.#bigint(value);
        return;
      case "object":
        if (value === null) this.#out.byte(0xc0);
        else this.#object(value, depth);
        return;
      default:
        throw new CodecError(`a ${typeof value} cannot be sent`);
    }
  }

  #number(value: number): void {
    const out = this.#out;
    out.reserve(9);
    if ((value | 0) !== value || (value === 0 && 1 / value < 0)) this.#float(value);
    else if (value >= 0) {
      if (value < 0x80) out.bytes[out.at++] = value;
      else if (value < 0x100) this.#small(0xcc, value);
      else if (value < 0x10000) this.#pair(0xcd, value);
      else this.#quad(0xce, value);
    } else if (value >= -0x20) out.bytes[out.at++] = value & 0xff;
    else if (value >= -0x80) this.#small(0xd0, value & 0xff);
    else if (value >= -0x8000) this.#pair(0xd1, value & 0xffff);
    else this.#quad(0xd2, value);
  }

  #float(value: number): void {
    const out = this.#out;
    out.bytes[out.at] = 0xcb;
    out.view.setFloat64(out.at + 1, value);
    out.at += 9;
  }

  // Headers of one kind, in big-endian as MessagePack has them.

  #small(token: number, value: number): void {
    const out = this.#out;
    out.reserve(2);
    out.bytes[out.at++] = token;
    out.bytes[out.at++] = value;
  }

  #pair(token: number, value: number): void {
    const out = this.#out;
    out.reserve(3);
    out.bytes[out.at++] = token;
    out.bytes[out.at++] = value >>> 8;
    out.bytes[out.at++] = value;
  }

  #quad(token: number, value: number): void {
    const out = this.#out;
    out.reserve(5);
    out.bytes[out.at++] = token;
    out.view.setUint32(out.at, value);
    out.at += 4;
  }

  #length(length: number, fix: number, fixes: number, token8: number, token16: number): void {
    if (length < fixes) this.#out.byte(fix | length);
    else if (length < 0x100 && token8 > 0) this.#small(token8, length);
    else if (length < 0x10000) this.#pair(token16, length);
    else this.#quad(token16 + 1, length);
  }

  #text(text: string): void {
    const out = this.#out;
    const { length } = text;
    if (length > SHORT_TEXT) {
      this.#longText(text);
      return;
    }
    out.reserve(1 + SHORT_TEXT);
    const { bytes, at } = out;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) {
        this.#longText(text);
        return;
      }
      bytes[at + 1 + index] = unit;
    }
    bytes[at] = 0xa0 | length;
    out.at = at + 1 + length;
  }

  #longText(text: string): void {
    const out = this.#out;
    if (text.length > MEDIUM_TEXT) {
      const bytes = Buffer.byteLength(text);
      this.#length(bytes, 0xa0, 0x20, 0xd9, 0xda);
      out.reserve(bytes);
      out.at += writeUtf8(out.bytes, text, out.at, bytes);
      return;
    }
    // Its bytes are written first and counted then.
    out.reserve(3 + 3 * text.length);
    const length = writeUtf8(out.bytes, text, out.at + 3, 3 * text.length);
    out.bytes[out.at] = 0xda;
    out.bytes[out.at + 1] = length >>> 8;
    out.bytes[out.at + 2] = length;
    out.at += 3 + length;
  }

  #bigint(value: bigint): void {
    const out = this.#out;
    out.reserve(9);
    if (value >= MIN_INT64 && value <= MAX_INT64) {
      out.bytes[out.at] = 0xd3;
      out.view.setBigInt64(out.at + 1, value);
      out.at += 9;
    } else if (value > 0n && value <= MAX_UINT64) {
      out.bytes[out.at] = 0xcf;
      out.view.setBigUint64(out.at + 1, value);
      out.at += 9;
    } else this.#longBigint(value);
  }

  #longBigint(value: bigint): void {
    const bytes = bigintBytes(value);
    this.#extension(Extension.BIGINT, bytes.length);
    this.#out.raw(bytes);
  }

  #extension(type: number, length: number): void {
    const out = this.#out;
    out.reserve(6);
    if (length === 1) out.bytes[out.at++] = 0xd4;
    else if (length === 4) out.bytes[out.at++] = 0xd6;
    else if (length === 8) out.bytes[out.at++] = 0xd7;
    else this.#length(length, 0, 0, 0xc7, 0xc8);
    out.byte(type);
  }

  #object(value: object, depth: number): void {
    if (depth >= MAX_DEPTH) throw new CodecError(`more than ${MAX_DEPTH} values inside each other (a cycle?)`);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) this.#properties(value, depth);
    else if (Array.isArray(value)) this.#array(value, depth);
    else if (value instanceof Uint8Array) this.#memory(value);
    else if (value instanceof Date) this.#date(value.getTime());
    else if (value instanceof Map) this.#nested(Extension.MAP, () => this.#entries(value, depth));
    else if (value instanceof Set) this.#nested(Extension.SET, () => this.#items(value, depth));
    else if (value instanceof Error) this.#nested(Extension.ERROR, () => this.#object(errorFields(value), depth + 1));
    else if (ArrayBuffer.isView(value)) this.#memory(value);
    else if (value instanceof ArrayBuffer) this.#typed(ARRAY_BUFFER, new Uint8Array(value));
    else this.#instance(value, depth);
  }

  #array(array: readonly unknown[], depth: number): void {
    const { length } = array;
    this.#length(length, 0x90, 0x10, 0, 0xdc);
    for (let index = 0; index < length; index++) this.#value(array[index], depth + 1);
  }

  #properties(object: object, depth: number): void {
    const keys = Object.keys(object);
    const { length } = keys;
    this.#length(length, 0x80, 0x10, 0, 0xde);
    for (let index = 0; index < length; index++) {
      const key = keys[index] as string;
      if (isReservedKey(key)) throw new CodecError(`an object with the key ${JSON.stringify(key)} (a Map may have it)`);
      this.#text(key);
      this.#value((object as Readonly<Record<string, unknown>>)[key], depth + 1);
    }
  }

  /** An instance of a class goes as its fields, or as what its `toJSON` says. */
  #instance(value: object, depth: number): void {
    if (value instanceof Promise) throw new CodecError("a Promise cannot be sent (is an `await` missing?)");
    if (value instanceof RegExp) throw new CodecError("a RegExp cannot be sent");
    if ("toJSON" in value && typeof value.toJSON === "function") this.#value(value.toJSON(), depth + 1);
    else if (isOpaque(value)) throw new CodecError(`a ${kindOf(value)} cannot be sent`);
    else this.#properties(value, depth);
  }

  #date(time: number): void {
    const out = this.#out;
    if (Number.isNaN(time)) {
      this.#extension(Extension.TIMESTAMP, 1);
      out.byte(0xff);
      return;
    }
    const seconds = Math.floor(time / 1_000);
    const nanoseconds = (time - seconds * 1_000) * 1_000_000;
    if (nanoseconds === 0 && seconds >= 0 && seconds <= 0xffff_ffff) {
      this.#extension(Extension.TIMESTAMP, 4);
      out.reserve(4);
      out.view.setUint32(out.at, seconds);
      out.at += 4;
    } else {
      this.#extension(Extension.TIMESTAMP, 12);
      out.reserve(12);
      out.view.setUint32(out.at, nanoseconds);
      out.view.setBigInt64(out.at + 4, BigInt(seconds));
      out.at += 12;
    }
  }

  /** What is inside is written first and measured then. */
  #nested(type: number, write: () => void): void {
    const out = this.#out;
    out.byte(0xc9);
    const mark = out.mark();
    out.reserve(5);
    out.at += 4;
    out.byte(type);
    write();
    const length = out.mark() - mark - 5;
    out.view.setUint32(out.at - length - 5, length);
  }

  #entries(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    for (const [key, value] of map) {
      this.#value(key, depth + 1);
      this.#value(value, depth + 1);
    }
  }

  #items(set: ReadonlySet<unknown>, depth: number): void {
    for (const item of set) this.#value(item, depth + 1);
  }

  #memory(view: ArrayBufferView): void {
    if (view instanceof Uint8Array) {
      this.#length(view.length, 0, 0, 0xc4, 0xc5);
      this.#out.raw(view);
      return;
    }
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    if (view instanceof DataView) this.#typed(DATA_VIEW, bytes);
    else {
      const kind = TYPED_ARRAYS.findIndex((one) => view instanceof one);
      if (kind < 0) throw new CodecError(`a ${Object.prototype.toString.call(view).slice(8, -1)} cannot be sent`);
      this.#typed(kind, bytes);
    }
  }

  #typed(kind: number, bytes: Uint8Array): void {
    this.#extension(Extension.TYPED_ARRAY, bytes.length + 1);
    this.#out.byte(kind);
    this.#out.raw(bytes);
  }
}
