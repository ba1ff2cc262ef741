import { CodecError } from "./codec.js";
import { KeyCache } from "./key-cache.js";
import { KeyTime } from "./key-time.js";
import { isReservedKey, MAX_DEPTH, MAX_VALUES } from "./limits.js";
import { Extension } from "./msgpack-format.js";
import { readBigint, readError, readText, readTimestamp, readTyped } from "./msgpack-values.js";

/** MessagePack to values. Everything is checked before anything is allocated for it. */
export class MessagePackReader {
  readonly #keys = new KeyCache();
  readonly #keyTime = new KeyTime();
  #source: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  /** How many more values there may be. */
  #left = 0;

  /** @throws CodecError if the bytes are not exactly one value within the limits */
  read(source: Buffer, start: number, end: number): unknown {
    this.#source = source;
    this.#at = start;
    this.#end = end;
    this.#left = MAX_VALUES;
    this.#keyTime.reset();
    const value = this.#value(0);
    if (this.#at !== end) throw new CodecError(`${end - this.#at} bytes behind the end of the value`);
    return value;
  }

  #value(depth: number): unknown {
    if (this.#at >= this.#end) throw cutShort();
    const token = this.#source[this.#at++] as number;
    if (token < 0x80) return token;
    if (token >= 0xe0) return token - 0x100;
    if (token < 0x90) return this.#object(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#text(token & 0x1f);
    return this.#tagged(token, depth);
  }

  #tagged(token: number, depth: number): unknown {
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#uint(1 << (token - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (token - 0xc7)), depth);
      case 0xca:
        return this.#source.readFloatBE(this.#skip(4));
      case 0xcb:
        return this.#source.readDoubleBE(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (token - 0xcc));
      case 0xcf:
        return this.#source.readBigUInt64BE(this.#skip(8));
      case 0xd0:
        return this.#source.readInt8(this.#skip(1));
      case 0xd1:
        return this.#source.readInt16BE(this.#skip(2));
      case 0xd2:
        return this.#source.readInt32BE(this.#skip(4));
      case 0xd3:
        return this.#source.readBigInt64BE(this.#skip(8));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (token - 0xd4), depth);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (token - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(token === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#object(this.#uint(token === 0xde ? 2 : 4), depth);
      default:
        throw new CodecError(`0x${token.toString(16)} begins no value`);
    }
  }

  /** Where the next so many bytes are. */
  #skip(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#end - at) throw cutShort();
    this.#at = at + bytes;
    return at;
  }

  #uint(bytes: number): number {
    const at = this.#skip(bytes);
    const source = this.#source;
    const first = source[at] as number;
    if (bytes === 1) return first;
    if (bytes === 2) return (first << 8) | (source[at + 1] as number);
    return source.readUInt32BE(at);
  }

  /** Before a value that has others inside is made. */
  #enter(values: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw new CodecError(`more than ${MAX_DEPTH} values inside each other`);
    // Each takes a byte at least, so that what is declared and not there takes no memory.
    if (values > this.#end - this.#at) throw cutShort();
    this.#left -= values;
    if (this.#left < 0) throw new CodecError(`more than ${MAX_VALUES} values`);
  }

  #array(length: number, depth: number): unknown[] {
    this.#enter(length, depth);
    const array: unknown[] = [];
    for (let index = 0; index < length; index++) array.push(this.#value(depth + 1));
    return array;
  }

  #object(length: number, depth: number): Record<string, unknown> {
    this.#enter(length, depth);
    const object: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const key = this.#key();
      object[key] = this.#value(depth + 1);
    }
    return object;
  }

  #key(): string {
    if (this.#at >= this.#end) throw cutShort();
    const token = this.#source[this.#at++] as number;
    let key: string;
    if (token >= 0xa0 && token < 0xc0) {
      const length = token & 0x1f;
      key = this.#keys.read(this.#source, this.#skip(length), length);
    } else if (token >= 0xd9 && token <= 0xdb) key = this.#text(this.#uint(1 << (token - 0xd9)));
    else throw new CodecError("an object's key that is no text");
    if (isReservedKey(key)) throw new CodecError(`an object with the key ${JSON.stringify(key)}`);
    return key;
  }

  #text(length: number): string {
    const at = this.#skip(length);
    return readText(this.#source, at, length);
  }

  #binary(length: number): Uint8Array {
    const at = this.#skip(length);
    return new Uint8Array(this.#source.buffer, this.#source.byteOffset + at, length);
  }

  #extension(length: number, depth: number): unknown {
    const type = this.#uint(1);
    const at = this.#skip(length);
    const end = at + length;
    switch (type) {
      case Extension.UNDEFINED:
        return undefined;
      case Extension.MAP:
        return this.#inside(at, end, depth, () => this.#map(depth + 1));
      case Extension.SET:
        return this.#inside(at, end, depth, () => this.#set(depth + 1));
      case Extension.ERROR:
        return this.#inside(at, end, depth, () => readError(this.#value(depth + 1)));
      case Extension.BIGINT:
        return readBigint(this.#source, at, length);
      case Extension.TYPED_ARRAY:
        return readTyped(this.#source, at, length);
      case Extension.TIMESTAMP:
        return readTimestamp(this.#source, at, length);
      default:
        throw new CodecError(`extension ${type}, which is not known`);
    }
  }

  /** Reads what an extension has inside: exactly its bytes. */
  #inside<T>(start: number, end: number, depth: number, read: () => T): T {
    const outerEnd = this.#end;
    this.#at = start;
    this.#end = end;
    this.#enter(0, depth);
    const value = read();
    if (this.#at !== end) throw new CodecError("an extension that goes on behind its value");
    this.#end = outerEnd;
    return value;
  }

  #map(depth: number): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    while (this.#at < this.#end) {
      this.#enter(2, depth - 1);
      const key = this.#value(depth);
      this.#keyTime.add();
      map.set(key, this.#value(depth));
    }
    return map;
  }

  #set(depth: number): Set<unknown> {
    const set = new Set<unknown>();
    while (this.#at < this.#end) {
      this.#enter(1, depth - 1);
      const item = this.#value(depth);
      this.#keyTime.add();
      set.add(item);
    }
    return set;
  }
}

function cutShort(): CodecError {
  return new CodecError("the bytes end before the value does");
}
