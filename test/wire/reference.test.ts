import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeControl, MAX_HEAD_BYTES, writeHead } from "../../src/wire/encode.js";
import { byteByByte, cutAt, hex } from "../support/bytes.js";
import { collect } from "./collect.js";
import { decodeFrames, encodeFrame, type Frame } from "./reference.js";
import { frameVectors, violationVectors } from "./vectors.js";

/** Records without a prototype would equal nothing that the code makes. */
const plain = { noNullPrototype: true };

const payload = (maxLength: number) => fc.uint8Array({ maxLength }).map(hex);
const exchange = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });

/** Frames that are within the rules. */
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record(
    { type: fc.constant(2), flags: fc.constantFrom(0, 1, 3, 7, 16, 31, 32, 63, 0xc1), exchange, payload: payload(300) },
    plain,
  ),
  fc.record({ type: fc.constant(3), flags: fc.constantFrom(0, 1, 5, 0x40), exchange, payload: payload(300) }, plain),
  fc.record({ type: fc.constantFrom(1, 4, 7), flags: fc.constant(0), exchange, payload: payload(100) }, plain),
  fc.record({ type: fc.constant(8), flags: fc.constant(0), exchange, payload: payload(4) }, plain),
  fc.record({ type: fc.constant(9), flags: fc.constant(0), exchange, payload: fc.constant("") }, plain),
  fc.record({ type: fc.constantFrom(5, 6), flags: fc.constant(0), exchange, payload: payload(8) }, plain),
  fc.record({ type: fc.integer({ min: 128, max: 255 }), flags: fc.nat(255), exchange, payload: payload(100) }, plain),
);
const stream = fc.array(frame, { maxLength: 8 }).map((frames) => Buffer.concat(frames.map(encodeFrame)));
const cuts = fc.array(fc.nat(2_500), { maxLength: 12 });

/** A stream with some of its bytes changed. */
const damaged = fc
  .tuple(stream, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }))
  .map(([bytes, changes]) => {
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return bytes;
  });
const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
/** Noise that looks like frames at first sight: small numbers are likelier to be within the rules. */
const tame = fc
  .array(fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 5, 8, 128), { maxLength: 200 })
  .map((bytes) => Buffer.from(bytes));

test("the decoder finds the frames that the reference has written, however they are cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, offsets) => {
      const bytes = Buffer.concat(frames.map(encodeFrame));
      assert.deepEqual(collect(cutAt(bytes, offsets)), { frames, error: undefined, isComplete: true });
    }),
    { numRuns: 2_000 },
  );
});

test("decoder and reference agree on any bytes, however they are cut", () => {
  fc.assert(
    fc.property(fc.oneof(stream, damaged, noise, tame), cuts, (bytes, offsets) => {
      assert.deepEqual(collect(cutAt(bytes, offsets)), decodeFrames(bytes));
    }),
    { numRuns: 10_000 },
  );
});

test("every vector reads the same cut at each byte, and byte by byte", () => {
  for (const { name, hex: digits } of [...frameVectors, ...violationVectors]) {
    const all = Buffer.from(digits, "hex");
    const bytes = all[0] === 0xc1 ? all.subarray(8) : all;
    const expected = decodeFrames(bytes);
    for (let cut = 0; cut <= bytes.length; cut++) assert.deepEqual(collect(cutAt(bytes, [cut])), expected, name);
    assert.deepEqual(collect(byteByByte(bytes)), expected, name);
  }
});

test("encoder and reference write the same bytes", () => {
  const head = fc.record(
    {
      type: fc.constantFrom(2 as const, 3 as const),
      exchange: fc.maxSafeNat(),
      isEnd: fc.boolean(),
      deadlineMs: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 0xffff_ffff })),
      sizeBytes: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
      metaBytes: fc.nat(50),
    },
    plain,
  );
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 50 }), (given, body) => {
      const head = Buffer.alloc(MAX_HEAD_BYTES, 0xaa);
      const length = writeHead(head, 0, given, body.length);
      const meta = new Uint8Array(given.metaBytes).fill(7);
      const fields = new DataView(new ArrayBuffer(12));
      const hasDeadline = given.deadlineMs >= 0;
      const hasSize = given.sizeBytes >= 0;
      if (hasDeadline) fields.setUint32(0, given.deadlineMs, true);
      if (hasSize) fields.setBigUint64(hasDeadline ? 4 : 0, BigInt(given.sizeBytes), true);
      const fieldBytes = new Uint8Array(fields.buffer, 0, (hasDeadline ? 4 : 0) + (hasSize ? 8 : 0));
      const flags = (given.isEnd ? 1 : 0) | (hasDeadline ? 2 : 0) | (hasSize ? 4 : 0) | (meta.length > 0 ? 32 : 0);
      const payload = hex(fieldBytes) + hex(meta) + hex(body);
      const expected = encodeFrame({ type: given.type, flags, exchange: BigInt(given.exchange), payload });
      assert.equal(hex(head.subarray(0, length)) + hex(meta) + hex(body), hex(expected));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.maxSafeNat(),
      fc.uint8Array({ maxLength: 50 }),
      (type, id, body) => {
        const expected = encodeFrame({ type, flags: 0, exchange: BigInt(id), payload: hex(body) });
        assert.equal(hex(encodeControl(type, id, body)), hex(expected));
      },
    ),
  );
});
