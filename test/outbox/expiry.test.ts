import assert from "node:assert/strict";
import { test } from "node:test";
import { Environment } from "../../src/outbox/environment.js";
import { handlerFailed, rig, settled } from "./support.js";

test("flush resolves when the last message expires before it is due", async (t) => {
  const { outbox, time } = await rig(t);
  await outbox.post("x", { id: "x", delayMs: 60_000, expiresAt: time.wall + 500 });
  let isFlushed = false;
  const flushed = outbox.flush().then(() => {
    isFlushed = true;
  });
  await time.advance(499);
  assert.equal(isFlushed, false);
  await time.advance(1);
  await flushed;
  assert.equal(outbox.stats().dead, 1);
});

test("however many that were tried have expired, all are dead letters at once", async (t) => {
  const { outbox, way, time, told } = await rig(t, { retry: { minDelayMs: 600_000, maxDelayMs: 600_000 } });
  way.answer = () => handlerFailed();
  const expiresAt = time.wall + 1_000;
  await Promise.all(Array.from({ length: 1_100 }, (_, index) => outbox.post("x", { id: `${index}`, expiresAt })));
  await outbox.post("y", { id: "untried", delayMs: 3_600_000, expiresAt: expiresAt + 1 });
  await settled(outbox);
  assert.equal(told.length, 1_100);
  await time.advance(1_001);
  assert.deepEqual([outbox.pending, outbox.stats().dead], [0, 1_101]);
  assert.equal(told.at(-1), "dead untried EXPIRED");
  const letter = outbox.deadLetters.get("7");
  assert.match(String(letter?.reason.message), /; the last attempt failed with HANDLER_FAILED: no$/);
  // Their next attempts find nothing to do.
  await time.advance(600_000);
  assert.equal(way.sent.length, 1_100);
});

test("a message that expires while it is delivered is what becomes of that, and no transaction looks for it", async (t) => {
  const { outbox, way, time, told } = await rig(t, { retry: { minDelayMs: 600_000, maxDelayMs: 600_000 } });
  for (const id of ["good", "bad"]) await outbox.post(id, { id, expiresAt: time.wall + 1_000 });
  await way.untilSent(2);
  const run = t.mock.method(Environment.prototype, "run");
  await time.advance(30_000);
  assert.equal(run.mock.callCount(), 0);
  assert.equal(outbox.pending, 2);
  for (const { text, resolve, reject } of [...way.underWay]) text === "bad" ? reject(handlerFailed()) : resolve();
  await settled(outbox);
  await time.advance(1_000);
  assert.deepEqual(told, ["delivered good", "retry bad 1 in 599999", "dead bad EXPIRED"]);
});
