import assert from "node:assert/strict";
import { test } from "node:test";
import { Environment } from "../../src/outbox/environment.js";
import { rig, settled } from "../outbox/support.js";
import { Gate } from "../peer/support.js";

for (const [durability, waits] of [
  ["process", "does not wait for it"],
  ["power", "waits for it"],
] as const) {
  test(`durability "${durability}": a post that is committed, and not yet synchronised with the disk, ${waits}`, async (t) => {
    const gate = new Gate();
    let syncs = 0;
    t.mock.method(Environment.prototype, "sync", async () => {
      syncs++;
      await gate.opened;
    });
    const { outbox, way } = await rig(t, { durability });
    way.answer = () => undefined;
    let isKept = false;
    const posting = outbox.post("x").then(() => {
      isKept = true;
    });
    await way.untilSent(1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([isKept, syncs], durability === "power" ? [false, 1] : [true, 0]);
    gate.open();
    await posting;
    await settled(outbox);
  });
}
