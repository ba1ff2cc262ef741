import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { type Codec, CodecError } from "../../src/contract/codec.js";
import { CODEC_NAMES, codecFor } from "../../src/contract/codecs.js";
import { MAX_BIGINT_BYTES, MAX_DEPTH, MAX_VALUES } from "../../src/contract/limits.js";
import { Writer } from "../../src/contract/writer.js";
import { unhex } from "../support/bytes.js";
import { carried, comparable, jsonCarried } from "./values.js";

/** How many values for each codec. */
const RUNS = Math.ceil(Number(process.env.EARSHOT_FUZZ_RUNS ?? 10_000) / 5);

const writer = new Writer();
const [msgpack, json] = [codecFor(1, writer), codecFor(2, writer)];

function encode(codec: Codec, value: unknown): Buffer {
  writer.begin();
  try {
    codec.encode(value);
    return Buffer.from(writer.take());
  } catch (error) {
    writer.drop();
    throw error;
  }
}

function decode(codec: Codec, bytes: Buffer): unknown {
  return codec.decode(bytes, 0, bytes.length);
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

for (const [index, values] of [carried, jsonCarried].entries()) {
  const codec = [msgpack, json][index]!;
  test(`${RUNS} random values come back equal through ${CODEC_NAMES[index]}`, () => {
    const property = fc.property(values, (value) => {
      assert.deepStrictEqual(comparable(decode(codec, encode(codec, value))), comparable(value));
    });
    fc.assert(property, { numRuns: RUNS });
  });
}

test("a value inside other bytes is read as if it were alone", () => {
  const property = fc.property(carried, fc.uint8Array(), fc.uint8Array(), (value, before, after) => {
    const bytes = encode(msgpack, value);
    const all = Buffer.concat([before, bytes, after]);
    const read = msgpack.decode(all, before.length, before.length + bytes.length);
    assert.deepStrictEqual(comparable(read), comparable(value));
  });
  fc.assert(property, { numRuns: 300 });
});

test("msgpackr reads what is plain MessagePack, and what it writes is read", () => {
  const options = { useRecords: false, variableMapSize: true, mapsAsObjects: true } as const;
  const [packr, unpackr] = [new Packr(options), new Unpackr(options)];
  const property = fc.property(jsonCarried, (value) => {
    assert.deepStrictEqual(unpackr.unpack(encode(msgpack, value)), value);
    assert.deepStrictEqual(decode(msgpack, Buffer.from(packr.pack(value))), value);
  });
  fc.assert(property, { numRuns: 500 });
});

test("what is not all of a value is no value", () => {
  const property = fc.property(carried, fc.nat(), (value, cut) => {
    const bytes = encode(msgpack, value);
    const part = bytes.subarray(0, cut % bytes.length);
    assert.throws(() => decode(msgpack, Buffer.from(part)), CodecError);
    assert.throws(() => decode(msgpack, Buffer.concat([bytes, bytes])), CodecError);
  });
  fc.assert(property, { numRuns: 300 });
});

const noise = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.tuple(carried, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })).map(([value, edits]) => {
    const bytes = encode(msgpack, value);
    for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
    return bytes;
  }),
);

test(`${5 * RUNS} byte strings come to a value or a CodecError`, () => {
  const property = fc.property(noise, fc.constantFrom(msgpack, json), (bytes, codec) => {
    try {
      decode(codec, Buffer.from(bytes));
    } catch (error) {
      assert.ok(error instanceof CodecError, String(error));
    }
  });
  fc.assert(property, { numRuns: 5 * RUNS });
});

for (const [index, codec] of [msgpack, json].entries()) {
  const name = CODEC_NAMES[index];
  test(`${MAX_DEPTH} levels pass through ${name}, one more is refused on both sides`, () => {
    assert.deepStrictEqual(decode(codec, encode(codec, nested(MAX_DEPTH))), nested(MAX_DEPTH));
    assert.throws(() => encode(codec, nested(MAX_DEPTH + 1)), /more than 128 values inside each other/);
    const text = "[".repeat(MAX_DEPTH + 1) + "]".repeat(MAX_DEPTH + 1);
    const tooDeep = index === 0 ? Buffer.alloc(MAX_DEPTH + 2, 0x91) : Buffer.from(text);
    assert.throws(() => decode(codec, tooDeep), /more than 128 values inside each other/);
  });

  test(`a million levels overflow no stack of ${name}`, () => {
    const bytes = Buffer.alloc(1_000_000, index === 0 ? 0x91 : "[");
    assert.throws(() => decode(codec, bytes), CodecError);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    assert.throws(() => encode(codec, cycle), /a cycle\?/);
  });

  test(`keys that mean something to JavaScript are refused by ${name}, and nothing is polluted`, () => {
    for (const key of ["__proto__", "constructor", "prototype"]) {
      assert.throws(() => encode(codec, JSON.parse(`{"a":{"${key}":{"polluted":1}}}`)), /with the key/);
      const map = Buffer.concat([
        unhex("81"),
        Buffer.from([0xa0 | key.length]),
        Buffer.from(key),
        unhex("81a870 6f6c6c75746564 01"),
      ]);
      const text = Buffer.from(`{"${key.replace("o", "\\u006f")}":{"polluted":1}}`);
      assert.throws(() => decode(codec, index === 0 ? map : text), /with the key/);
    }
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
}

test("the keys of a Map may be anything, as they are not properties", () => {
  const map = new Map<unknown, unknown>([
    ["__proto__", 1],
    [{ a: 1 }, 2],
  ]);
  assert.deepStrictEqual(decode(msgpack, encode(msgpack, map)), map);
});

test("a length that is declared and not there takes no memory", () => {
  for (const token of ["dd", "df", "db", "c6", "c9"]) {
    const before = process.memoryUsage().rss;
    assert.throws(() => decode(msgpack, unhex(`${token}ffffffff05`)), /end before the value does/);
    assert.ok(process.memoryUsage().rss - before < 50_000_000);
  }
});

test(`${MAX_VALUES} values pass, one more is refused`, () => {
  const bytes = Buffer.alloc(MAX_VALUES + 5, 0xc0);
  bytes.writeUInt32BE(MAX_VALUES, 1);
  bytes[0] = 0xdd;
  assert.equal((decode(msgpack, bytes) as unknown[]).length, MAX_VALUES);
  const more = Buffer.concat([bytes, unhex("c0")]);
  more.writeUInt32BE(MAX_VALUES + 1, 1);
  assert.throws(() => decode(msgpack, more), /more than 4194304 values/);
  assert.throws(() => decode(json, Buffer.from(`[${"1,".repeat(MAX_VALUES)}1]`)), /more than 4194304 values/);
});

test(`a BigInt of ${MAX_BIGINT_BYTES} bytes passes, one of a byte more is refused on both sides`, () => {
  const largest = 2n ** BigInt(8 * MAX_BIGINT_BYTES - 1) - 1n;
  assert.equal(decode(msgpack, encode(msgpack, largest)), largest);
  assert.equal(decode(msgpack, encode(msgpack, -largest - 1n)), -largest - 1n);
  assert.throws(() => encode(msgpack, largest + 1n), /a BigInt of more than 65536 bytes/);
  const head = Buffer.alloc(6);
  head.writeUInt32BE(MAX_BIGINT_BYTES + 1, 1);
  head[0] = 0xc9;
  head[5] = 4;
  assert.throws(() => decode(msgpack, Buffer.concat([head, Buffer.alloc(MAX_BIGINT_BYTES + 1, 1)])), /has 1 to 65536/);
});

test("what cannot travel is refused by name", () => {
  const cases: [Codec, unknown, RegExp][] = [
    [msgpack, () => {}, /a function cannot be sent/],
    [msgpack, { a: [Symbol("x")] }, /a symbol cannot be sent/],
    [msgpack, Promise.resolve(1), /is an `await` missing\?/],
    [msgpack, /x/, /a RegExp cannot be sent/],
    [json, 1n, /a bigint cannot be sent as JSON; codec "msgpack" can carry more/],
    [json, new Map(), /a Map cannot/],
    [json, new Uint8Array(1), /a Uint8Array cannot/],
    [json, Number.NaN, /NaN cannot/],
    [json, [undefined], /a undefined cannot/],
  ];
  for (const [codec, value, expected] of cases) assert.throws(() => encode(codec, value), expected);
});

test("JSON has dates as text, and leaves out what is undefined", () => {
  const value = { at: new Date(0), none: undefined, inside: { toJSON: () => "said" } };
  assert.deepStrictEqual(decode(json, encode(json, value)), { at: "1970-01-01T00:00:00.000Z", inside: "said" });
  assert.equal(encode(json, undefined).length, 0);
  assert.equal(decode(json, Buffer.alloc(0)), undefined);
});

test("an error has no stack of its own: where it was made is not where it was thrown", () => {
  const error = decode(msgpack, encode(msgpack, new AggregateError([new TypeError("a")], "b"))) as AggregateError;
  assert.ok(error instanceof AggregateError);
  assert.ok(error.errors[0] instanceof TypeError);
  assert.equal(error.stack, "AggregateError: b");
});

test("a getter that writes another value is refused, and the next value is written as if nothing had been", () => {
  const evil = {
    get a() {
      return encode(msgpack, 1);
    },
  };
  assert.throws(() => encode(msgpack, evil), CodecError);
  assert.equal(decode(msgpack, encode(msgpack, "fine")), "fine");
});
