import assert from "node:assert/strict";
import { test } from "node:test";
import { Lanes } from "../../src/session/lanes.js";
import { LaneStep } from "../../src/wire/lane.js";

const STEPS = Object.values(LaneStep);

/** Says and hears these; returns a copy of what stands then. */
function after(role: "client" | "server", steps: readonly (readonly ["client" | "server", LaneStep])[]): Lanes {
  const lanes = new Lanes(role);
  for (const [by, step] of steps) {
    if (by === role) lanes.send(step);
    else lanes.receive({ step, ringBytes: 0 }, step === LaneStep.OFFER ? 2 : 0, true);
  }
  return lanes;
}

/** All that can be said, one after the other, there and back again. */
const WHOLE = [
  ["server", LaneStep.OFFER],
  ["client", LaneStep.RING],
  ["server", LaneStep.RING],
  ["server", LaneStep.SOCKET],
  ["client", LaneStep.SOCKET],
  ["server", LaneStep.OFFER],
  ["client", LaneStep.REFUSE],
] as const;

for (const role of ["client", "server"] as const) {
  test(`for a ${role}, each step is heard at its time, and anything else at that time is a violation`, () => {
    const other = role === "client" ? "server" : "client";
    for (let count = 0; count <= WHOLE.length; count++) {
      const next = WHOLE[count];
      for (const step of STEPS) {
        const isOffered = count === 1 || count === 6;
        const mayCome =
          next?.[0] === other &&
          (next[1] === step || (isOffered && step !== LaneStep.OFFER && step !== LaneStep.SOCKET));
        const isFirst = count === WHOLE.length && other === "server" && step === LaneStep.OFFER;
        const lanes = after(role, WHOLE.slice(0, count));
        const hear = () => lanes.receive({ step, ringBytes: 0 }, step === LaneStep.OFFER ? 2 : 0, true);
        if (mayCome || isFirst) hear();
        else assert.throws(hear, { code: "PROTOCOL_VIOLATION" }, `step ${step} after ${count}`);
      }
    }
  });
}

test("only an OFFER brings descriptors, and nothing comes behind what changes the way", () => {
  const server = after("server", WHOLE.slice(0, 1));
  const ring = { step: LaneStep.RING, ringBytes: 0 };
  assert.throws(() => server.receive(ring, 1, true), /number of descriptors/);
  assert.throws(() => server.receive(ring, 0, false), /something behind it/);
  server.receive(ring, 0, true);
  assert.throws(() => after("client", []).receive({ step: LaneStep.OFFER, ringBytes: 65_536 }, 0, true), /descriptors/);
});

test("a change may begin while none is under way", () => {
  const settled = WHOLE.map((_, count) => after("server", WHOLE.slice(0, count)).isSettled);
  assert.deepEqual(settled, [true, false, false, true, false, true, false]);
});
