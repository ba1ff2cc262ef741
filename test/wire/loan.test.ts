import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameType } from "../../src/wire/frame.js";
import { decodeLend, decodeSlab, encodeSlab, LEND_FRAME_BYTES, writeLend } from "../../src/wire/loan.js";
import { hex, unhex } from "../support/bytes.js";

test("LEND, RETURN and RETIRE are written as PROTOCOL.md says, and a LEND announces its descriptor", () => {
  const target = Buffer.alloc(40);
  assert.equal(writeLend(target, 3, 5, { slab: 7, bytes: 0x1_0000_0001 }, 1), 3 + LEND_FRAME_BYTES);
  assert.equal(hex(target.subarray(3, 31)), "0b0001000c0000000500000000000000" + "07000000" + "0100000001000000");
  assert.equal(hex(encodeSlab(FrameType.RETURN, 7)), "0c000000040000000000000000000000" + "07000000");
  assert.equal(hex(encodeSlab(FrameType.RETIRE, 8)), "0d000000040000000000000000000000" + "08000000");
});

test("they read as they were written, and what is too short or too long is a violation", () => {
  const anything = { slab: fc.integer({ min: 0, max: 0xffff_ffff }), bytes: fc.maxSafeNat() };
  fc.assert(
    fc.property(fc.record(anything), (lend) => {
      const target = Buffer.alloc(LEND_FRAME_BYTES);
      writeLend(target, 0, 1, lend, 0);
      assert.deepEqual(decodeLend(target.subarray(16)), { ...lend });
      assert.equal(decodeSlab(encodeSlab(FrameType.RETURN, lend.slab).subarray(16)), lend.slab);
    }),
  );
  for (const wrong of ["", "00", "0000000000", "00".repeat(11), "00".repeat(13)]) {
    assert.throws(() => decodeLend(unhex(wrong)), { code: "PROTOCOL_VIOLATION" }, wrong);
    assert.throws(() => decodeSlab(unhex(wrong)), { code: "PROTOCOL_VIOLATION" }, wrong);
  }
});
