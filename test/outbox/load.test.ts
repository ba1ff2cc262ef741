/** Much at a time, and what goes wrong with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import { Store } from "../../src/outbox/store.js";
import { Tasks } from "../../src/outbox/tasks.js";
import { next, rig, settled } from "./support.js";

test("however many wait for their next attempt, they are tried again, and new ones when these are settled", () => {
  const tasks = new Tasks((sequence, limit) => Array.from({ length: limit }, (_, index) => sequence + 1 + index));
  for (let sequence = 1; sequence <= 20_000; sequence++) assert.equal(tasks.next(), sequence);
  assert.equal(tasks.next(), undefined);
  tasks.again(7);
  assert.equal(tasks.next(), 7);
  assert.equal(tasks.next(), undefined);
  tasks.letGo(7);
  assert.equal(tasks.next(), 20_001);
});

test("a large message that waits for room is not read again before there is some", async (t) => {
  const { outbox, way } = await rig(t);
  await Promise.all(Array.from({ length: 20 }, (_, index) => outbox.post(`small ${index}`)));
  await way.untilSent(20);
  const read = t.mock.method(Store.prototype, "read");
  await outbox.post(Buffer.alloc(70_000_000), { id: "large" });
  for (const attempt of [...way.underWay]) {
    attempt.resolve();
    await settled(outbox);
  }
  await way.untilSent(21);
  assert.equal(read.mock.callCount(), 2, "when it came, and when there was room");
  assert.equal(way.underWay.length, 1);
});

test("an isPermanent that throws is told, and its message is tried again", async (t) => {
  const isPermanent = (error: EarshotError) => error.remoteCode!.startsWith("X");
  const { outbox, way, time, told } = await rig(t, { isPermanent, retry: { minDelayMs: 10, maxDelayMs: 10 } });
  way.answer = () => new EarshotError("TIMEOUT", "too long", { op: "send", delivery: "unknown" });
  const trouble = next(outbox, "trouble");
  await outbox.post("x", { id: "x" });
  assert.match((await trouble).error.message, /startsWith/);
  way.answer = () => "ok";
  await time.advance(10);
  assert.deepEqual(told, ["trouble SYSTEM_ERROR", "retry x 1 in 10", "delivered x"]);
});

test("what cannot be read just now is delivered when it can", async (t) => {
  const { outbox, way, time, told } = await rig(t);
  const read = t.mock.method(Store.prototype, "read", () => {
    throw new Error("MDB_CORRUPTED");
  });
  await outbox.post("x", { id: "x" });
  await settled(outbox);
  assert.ok(told.length > 0 && told.every((line) => line === "trouble SYSTEM_ERROR"), told.join());
  read.mock.restore();
  way.answer = () => "ok";
  await time.advance(1_000);
  assert.equal(told.at(-1), "delivered x");
});

test("what fails while a connection is made is no message's fault", async (t) => {
  const { outbox, way, told } = await rig(t);
  way.answer = () => new EarshotError("UNSUPPORTED", "no addon", { op: "dial" });
  await outbox.post("x");
  await settled(outbox);
  assert.deepEqual(told, ["away UNSUPPORTED 100"]);
});
