import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EarshotError } from "../../src/errors.js";
import { decodeHello, encodeGreeting, type Hello, ownHello } from "../../src/wire/hello.js";
import { hex } from "../support/bytes.js";

/** Records without a prototype would equal nothing that the code makes. */
const plain = { noNullPrototype: true };

const read = (value: unknown) => decodeHello(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
const limits = { maxMessageBytes: 67_108_864, maxInFlight: 1_024 };
const isViolation = (error: unknown) => error instanceof EarshotError && error.code === "PROTOCOL_VIOLATION";

test("a greeting is the preface and a HELLO on exchange 0", () => {
  const json = '{"versions":[1,1],"features":[],"limits":{"maxMessageBytes":67108864,"maxInFlight":1024}}';
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const header = `c165617273686f74 01 00 00 00 ${hex(length)} 0000000000000000`.replaceAll(" ", "");
  assert.equal(hex(encodeGreeting(JSON.stringify(ownHello(limits, undefined)))), header + hex(Buffer.from(json)));
});

test("what is left out has its default", () => {
  const hello = read({ versions: [1, 4] });
  assert.deepEqual(hello, {
    versions: [1, 4],
    features: [],
    limits: { maxMessageBytes: Number.MAX_SAFE_INTEGER, maxInFlight: 1 },
    app: undefined,
  });
});

test("unknown members are ignored, wherever they are", () => {
  const app = { name: "a", version: "1", licence: "MIT" };
  const hello = read({
    versions: [1, 1],
    limits: { ...limits, maxFun: 1 },
    app,
    features: ["x", 5, null, "y"],
    more: [],
  });
  assert.deepEqual(hello, { versions: [1, 1], features: ["x", "y"], limits, app: { name: "a", version: "1" } });
});

test("a side that takes no message at once is taken to take one", () => {
  assert.equal(read({ versions: [1, 1], limits: { maxInFlight: 0 } }).limits.maxInFlight, 1);
});

test("64 features and names of 256 characters are taken, more are not", () => {
  const of = (count: number) => Array.from({ length: count }, () => "f");
  const app = (name: string, version: string) => ({ versions: [1, 1], app: { name, version } });
  const long = "n".repeat(256);
  assert.equal(read({ versions: [1, 1], features: of(64) }).features.length, 64);
  assert.equal(read(app(long, long)).app?.name, long);
  for (const value of [{ versions: [1, 1], features: of(65) }, app(`${long}n`, "1"), app("n", `${long}1`)]) {
    assert.throws(() => read(value), isViolation);
  }
});

test("everything else is a violation", () => {
  const versions = [1, 1];
  for (const value of [
    "",
    "no JSON",
    "null",
    "1",
    [],
    {},
    { versions: 1 },
    { versions: [1] },
    { versions: [1, 1, 1] },
    { versions: [1.5, 2] },
    { versions: [-1, 1] },
    { versions: [2, 1] },
    { versions: [1, 2 ** 53] },
    { versions, features: "x" },
    { versions, limits: [] },
    { versions, limits: { maxMessageBytes: "1" } },
    { versions, limits: { maxInFlight: 0.5 } },
    { versions, app: "weather" },
    { versions, app: { name: "weather" } },
    { versions, app: { name: 1, version: 1 } },
    { versions, contract: { name: "weather", version: "1.0.0" } },
    { versions, contract: { version: "1.0.0", codecs: [] } },
    { versions, contract: { name: "weather", version: "1.0.0", codecs: Array(17).fill("x") } },
  ]) {
    assert.throws(() => read(value), isViolation, JSON.stringify(value));
  }
});

test("a HELLO of 16,384 bytes is read, a longer one is not", () => {
  const text = JSON.stringify({ versions: [1, 1] });
  assert.deepEqual(read(text.padEnd(16_384)).versions, [1, 1]);
  assert.throws(() => read(text.padEnd(16_385)), isViolation);
});

test("it arrives as it was sent", () => {
  const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const text = fc.string({ maxLength: 128, unit: "grapheme" }).filter((name) => name.length <= 256);
  const hello: fc.Arbitrary<Hello> = fc.record(
    {
      versions: fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
      features: fc.array(fc.string({ maxLength: 20 }), { maxLength: 64 }),
      limits: fc.record({ maxMessageBytes: count, maxInFlight: count }, plain),
      app: fc.option(fc.record({ name: text, version: text }, plain), { nil: undefined }),
      contract: fc.record({ name: text, version: text, codecs: fc.array(text, { maxLength: 16 }) }, plain),
    },
    plain,
  );
  fc.assert(
    fc.property(hello, (sent) =>
      assert.deepEqual(decodeHello(encodeGreeting(JSON.stringify(sent)).subarray(24)), sent),
    ),
  );
});

test("any bytes and any JSON are read or refused, never anything else", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
    fc.json().map((json) => Buffer.from(json)),
    fc
      .record({ versions: fc.jsonValue(), limits: fc.jsonValue(), app: fc.jsonValue(), features: fc.jsonValue() })
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(bytes, (payload) => {
      try {
        decodeHello(payload);
      } catch (error) {
        assert.equal(isViolation(error), true);
      }
    }),
    { numRuns: 3_000 },
  );
});
