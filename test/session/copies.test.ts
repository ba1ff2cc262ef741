import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Copies } from "../../src/session/copies.js";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import { pattern } from "../support/bytes.js";

test("the memory of a copy is used again once it is out, and not before", () => {
  const copies = new Copies();
  const bytes = pattern(20_000);
  const first = copies.make(bytes);
  assert.deepEqual(first, bytes);
  copies.release();
  assert.notEqual(copies.make(bytes).buffer, first.buffer);
  copies.leave(first);
  assert.notEqual(copies.make(bytes).buffer, first.buffer);
  copies.release();
  const again = copies.make(bytes.subarray(1));
  assert.equal(again.buffer, first.buffer);
  assert.deepEqual(again, bytes.subarray(1));
});

test("what is larger than the memory that is free gets its own, and small and huge ones keep none", () => {
  const copies = new Copies();
  const sent = [20_000, 16_383, 1_048_577].map((length) => copies.make(pattern(length)));
  for (const copy of sent) copies.leave(copy);
  copies.release();
  const larger = copies.make(pattern(20_001));
  assert.equal(
    sent.some(({ buffer }) => buffer === larger.buffer),
    false,
  );
});

const sizes = fc.oneof(fc.nat(100), fc.integer({ min: 4_000, max: 40_000 }), fc.constantFrom(131_072, 1_048_577));
const step = fc.oneof(
  fc.record({ do: fc.constant("copy" as const), bytes: sizes }),
  fc.record({ do: fc.constant("own" as const), bytes: sizes }),
  fc.record({ do: fc.constant("take" as const), bytes: fc.nat(300_000) }),
  fc.record({ do: fc.constant("release" as const), bytes: fc.constant(0) }),
);

test("a source may use its buffer again at once, and nothing changes until it is out", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const stream = new OutgoingStream();
      const source = Buffer.alloc(1_048_577);
      const expected: Buffer[] = [];
      const out: Buffer[] = [];
      let leaving: Uint8Array[] = [];
      const release = () => {
        out.push(Buffer.concat(leaving));
        leaving = [];
        stream.release();
      };
      for (const [index, { do: what, bytes }] of steps.entries()) {
        if (what === "release") release();
        else if (what === "take") stream.take(Math.min(bytes, stream.queuedBytes), (chunk) => leaving.push(chunk));
        else {
          expected.push(pattern(bytes, index));
          const memory = what === "own" ? Buffer.alloc(bytes) : source;
          pattern(bytes, index).copy(memory);
          if (what === "own") stream.write(memory);
          else stream.copy(memory.subarray(0, bytes));
          source.fill(0);
        }
      }
      stream.take(stream.queuedBytes, (chunk) => leaving.push(chunk));
      release();
      assert.deepEqual(Buffer.concat(out), Buffer.concat(expected));
    }),
    { numRuns: 200 },
  );
});
