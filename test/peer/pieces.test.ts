import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Pieces } from "../../src/peer/pieces.js";
import { pattern } from "../support/bytes.js";

test("pieces of any size, in any number, are joined as they came", () => {
  const sizes = fc.array(fc.oneof(fc.nat(3), fc.integer({ min: 1_000, max: 1_050 })), { maxLength: 300 });
  fc.assert(
    fc.property(sizes, fc.nat(300), (lengths, joinedAt) => {
      const pieces = new Pieces();
      const all: Buffer[] = [];
      for (const [index, length] of lengths.entries()) {
        all.push(pattern(length, index));
        pieces.add(pattern(length, index));
        if (index === joinedAt) assert.deepEqual(pieces.join(), Buffer.concat(all));
      }
      const whole = Buffer.concat(all);
      assert.deepEqual([pieces.length, pieces.join()], [whole.length, whole]);
      assert.equal(pieces.join(), pieces.join());
      pieces.clear();
      assert.deepEqual([pieces.length, pieces.first, pieces.join()], [0, undefined, Buffer.alloc(0)]);
    }),
  );
});

test("a piece alone is not copied", () => {
  const pieces = new Pieces();
  const piece = pattern(10);
  pieces.add(piece);
  assert.equal(pieces.join(), piece);
});
