import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeLane, encodeLane, LaneStep } from "../../src/wire/lane.js";
import { hex, unhex } from "../support/bytes.js";

test("a LANE is written as PROTOCOL.md says, and an OFFER announces two descriptors", () => {
  assert.deepEqual({ ...LaneStep }, { OFFER: 1, REFUSE: 2, RING: 3, SOCKET: 4 });
  const offer = encodeLane({ step: LaneStep.OFFER, ringBytes: 262_144 });
  assert.equal(hex(offer), "0a000200050000000000000000000000" + "0100000400");
  for (const [step, byte] of [
    [LaneStep.REFUSE, "02"],
    [LaneStep.RING, "03"],
    [LaneStep.SOCKET, "04"],
  ] as const) {
    assert.equal(hex(encodeLane({ step, ringBytes: 0 })), `0a000000050000000000000000000000${byte}00000000`);
  }
});

test("it reads as it was written; what is too short, or of a step that is not known, is a violation", () => {
  assert.deepEqual(decodeLane(unhex("0100000400")), { step: LaneStep.OFFER, ringBytes: 262_144 });
  assert.deepEqual(decodeLane(unhex("0400000000")), { step: LaneStep.SOCKET, ringBytes: 0 });
  for (const wrong of ["", "01", "01000000", "0000000000", "0500000000"])
    assert.throws(() => decodeLane(unhex(wrong)), { code: "PROTOCOL_VIOLATION" }, wrong);
});
