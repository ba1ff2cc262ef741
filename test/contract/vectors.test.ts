import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codecFor } from "../../src/contract/codecs.js";
import { CallReader, callPrefix, Status } from "../../src/contract/format.js";
import { type Headers, writeHeaders } from "../../src/contract/headers.js";
import { Writer } from "../../src/contract/writer.js";
import { LAST_RECORD, RecordReader } from "../../src/peer/record-reader.js";
import { unhex } from "../support/bytes.js";
import { fakeInflow } from "./fakes.js";
import { comparable } from "./values.js";

interface Vectors {
  readonly values: readonly { readonly name: string; readonly hex: string }[];
  readonly calls: readonly {
    readonly name: string;
    readonly hex: string;
    readonly procedure: string;
    readonly codec: number;
    readonly flags: number;
    readonly headers: Headers;
    readonly input: unknown;
    readonly rest: string;
  }[];
  readonly replies: readonly { readonly name: string; readonly hex: string; readonly status: string }[];
  readonly streams: readonly {
    readonly name: string;
    readonly hex: string;
    readonly items: unknown[];
    readonly last: string;
  }[];
}

const vectors = JSON.parse(readFileSync(new URL("../vectors/contract.json", import.meta.url), "utf8")) as Vectors;
const writer = new Writer();
const codec = codecFor(1, writer);

/** What the values of the vectors are here. */
const VALUES: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  true: true,
  "127": 127,
  "-33": -33,
  "65536": 65_536,
  "1.5": 1.5,
  "-0": -0,
  NaN: Number.NaN,
  "a text": "Rīga",
  "an object": { a: [1, 2] },
  "a date": new Date("2026-01-01T00:00:00Z"),
  "a date with milliseconds, before 1970": new Date(-1),
  "an invalid date": new Date(Number.NaN),
  "a BigInt of 64 bits": -5n,
  "a BigInt of more": 2n ** 64n,
  bytes: new Uint8Array([1, 2]),
  "a Map": new Map([["a", 1]]),
  "a Set": new Set([1]),
  "an Error": new TypeError("no"),
  "a Float64Array": new Float64Array([1]),
  "an ArrayBuffer": new Uint8Array([7]).buffer,
};

function written(write: () => void): string {
  writer.begin();
  write();
  return Buffer.from(writer.take()).toString("hex");
}

test("each value has the bytes of its vector, and comes back from them", () => {
  assert.deepEqual(vectors.values.map(({ name }) => name).sort(), Object.keys(VALUES).sort());
  for (const { name, hex } of vectors.values) {
    assert.equal(
      written(() => codec.encode(VALUES[name])),
      hex,
      name,
    );
    const bytes = unhex(hex);
    assert.deepEqual(comparable(codec.decode(bytes, 0, bytes.length)), comparable(VALUES[name]), name);
  }
});

test("each call has the bytes of its vector, and is read from them", () => {
  for (const { name, hex, procedure, codec: id, flags, headers, input, rest } of vectors.calls) {
    const bytes = unhex(hex);
    const call = new CallReader();
    call.read(bytes, 0, bytes.length);
    assert.equal(bytes.toString("utf8", call.nameStart, call.nameEnd), procedure, name);
    assert.deepEqual({ ...call.headers }, headers, name);
    assert.equal(call.codec, id, name);
    const value = codecFor(id, writer).decode(bytes, call.inputStart, call.inputEnd);
    assert.deepEqual(value, input, name);
    assert.equal(bytes.toString("hex", call.inputEnd), rest, name);
    const made = written(() => {
      writer.raw(callPrefix(procedure, id, flags));
      if ((flags & 0x10) !== 0) writeHeaders(headers, writer);
      const mark = writer.mark();
      if ((flags & 0x20) !== 0) writer.uint32(0);
      codecFor(id, writer).encode(input);
      if ((flags & 0x20) !== 0) writer.setUint32(mark, writer.mark() - mark - 4);
    });
    assert.equal(made + rest, hex, name);
  }
});

test("each reply begins with the status of its vector", () => {
  for (const { name, hex, status } of vectors.replies) {
    assert.equal(unhex(hex)[0], Status[status as keyof typeof Status], name);
  }
});

test("each stream has the items of its vector, however it is cut", () => {
  for (const { name, hex, items, last } of vectors.streams) {
    const bytes = unhex(hex);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new RecordReader(fakeInflow([bytes.subarray(0, cut), bytes.subarray(cut)]), { maxBytes: 1_000 });
      const found: unknown[] = [];
      let end = "";
      while (reader.next()) {
        const { source, start } = reader;
        if (reader.isLast) end = source.toString("hex", start, reader.end);
        else found.push(codec.decode(source, start, reader.end));
      }
      assert.deepEqual([found, end, reader.isEnded], [items, last, true], `${name} cut at ${cut}`);
    }
  }
  assert.equal(LAST_RECORD, 0x8000_0000);
});
