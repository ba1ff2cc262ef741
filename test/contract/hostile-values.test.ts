import assert from "node:assert/strict";
import { test } from "node:test";
import { CodecError } from "../../src/contract/codec.js";
import { codecFor } from "../../src/contract/codecs.js";
import { Writer } from "../../src/contract/writer.js";

const writer = new Writer();
const [msgpack, json] = [codecFor(1, writer), codecFor(2, writer)];

function encode(codec: typeof msgpack, value: unknown): Buffer {
  writer.begin();
  try {
    codec.encode(value);
    return Buffer.from(writer.take());
  } catch (error) {
    writer.drop();
    throw error;
  }
}

const decode = (bytes: Buffer) => msgpack.decode(bytes, 0, bytes.length);

/** So many keys that V8 cannot tell apart by their hashes; put in without a limit, they would take minutes. */
function* colliding(): Generator<bigint> {
  for (let index = 1n; index <= 200_000n; index++) yield index << 64n;
}

test("keys that were chosen to collide are given up soon, in a Set and in a Map", () => {
  // As they are written nobody tells them apart.
  const inOrder = (Kind: typeof Set | typeof Map, entries: unknown[]) =>
    Object.assign(Object.create(Kind.prototype), { [Symbol.iterator]: () => entries.values() }) as object;
  const keys = [...colliding()];
  for (const value of [
    inOrder(Set, keys),
    inOrder(
      Map,
      keys.map((key) => [key, 1]),
    ),
  ]) {
    assert.throws(() => decode(encode(msgpack, value)), /take too long to tell apart/);
  }
});

test("many keys that do not collide are none too many", () => {
  const numbers = new Set(Array.from({ length: 300_000 }, (_, index) => index * 7));
  assert.equal((decode(encode(msgpack, numbers)) as Set<number>).size, 300_000);
});

test("what has nothing to send in its fields is refused, and not sent as {}", () => {
  const opaque = [new Number(5), new Boolean(false), Object(5n), new WeakMap(), new SharedArrayBuffer(8)];
  for (const value of [...opaque, new URLSearchParams("a=1"), new Blob(["a"]), (function* () {})()]) {
    for (const codec of [msgpack, json]) assert.throws(() => encode(codec, value), /cannot be sent/);
  }
  class Point {
    readonly [Symbol.toStringTag] = "Point";
    x = 1;
  }
  assert.deepEqual(decode(encode(msgpack, new Point())), { x: 1 });
  assert.equal(decode(encode(msgpack, new URL("http://a/"))), "http://a/");
});

test("an error's causes are as deep for who writes as for who reads", () => {
  const chain = (length: number) => {
    let error = new Error("last");
    for (let index = 1; index < length; index++) error = new Error(`${index}`, { cause: error });
    return error;
  };
  assert.equal((decode(encode(msgpack, chain(64))) as Error).message, "63");
  assert.throws(() => encode(msgpack, chain(65)), CodecError);
});
