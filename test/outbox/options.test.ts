import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SYSTEM_CLOCK } from "../../src/outbox/clock.js";
import { Graveyard } from "../../src/outbox/graveyard.js";
import { openOutbox } from "../../src/outbox/index.js";
import { temporaryDirectory } from "../support/temp.js";
import { handlerFailed, rig, settled } from "./support.js";

test("wrong options for dialing are refused when the outbox is opened, not with its messages", async (t) => {
  const directory = join(temporaryDirectory(t), "outbox");
  const wrong = [
    { connectTimeoutMs: "5" },
    { maxDescriptors: -1 },
    { transport: "bogus" },
    { retry: "bogus" },
    { reconnect: { minDelayMs: -1 } },
    { onMismatch: "replace" },
  ];
  for (const dial of wrong) {
    const opening = openOutbox(directory, { address: "/nowhere/s", dial: dial as never });
    await assert.rejects(opening, { code: "INVALID_ARGUMENT" }, JSON.stringify(dial));
  }
  assert.equal(existsSync(directory), false);
  // Nobody dials for who never delivers.
  const outbox = await openOutbox(directory, { deliver: false, dial: { retry: "bogus" as never } });
  await outbox.close();
});

test("times that are longer than any timer of Node do not ring at once", async (t) => {
  const outbox = await openOutbox(join(temporaryDirectory(t), "outbox"), { deliver: false });
  await outbox.post("x", { timeoutMs: 2 ** 40 });
  const early = new Promise((resolve) => setTimeout(() => resolve("still waiting"), 50));
  const flushed = outbox.flush({ timeoutMs: 2 ** 40 });
  assert.equal(await Promise.race([flushed, early]), "still waiting");
  await outbox.close();
  await assert.rejects(flushed, { code: "CONNECTION_CLOSED" });

  let rings = 0;
  const cancel = SYSTEM_CLOCK.after(2 ** 40, () => rings++);
  await new Promise((resolve) => setTimeout(resolve, 20));
  cancel();
  assert.equal(rings, 0);
});

test("when it is closed, everything that is asked of an outbox is refused in the same words", async (t) => {
  const { outbox, way } = await rig(t, { maxAttempts: 1 });
  way.answer = () => handlerFailed();
  for (const text of ["dead", "dead too"]) await outbox.post(text, { id: text });
  await outbox.flush();
  for (const text of ["pending", "pending too"]) await outbox.post(text, { delayMs: 1_000 });
  await settled(outbox);
  const messages = outbox.messages()[Symbol.iterator]();
  const letters = outbox.deadLetters.list();
  messages.next();
  letters.next();
  await outbox.close();
  const closed = { name: "EarshotError", code: "CONNECTION_CLOSED", message: /the outbox was closed$/ };
  assert.throws(() => messages.next(), closed);
  assert.throws(() => letters.next(), closed);
  assert.throws(() => [...outbox.deadLetters.list()], closed);
  for (const ask of [() => outbox.deadLetters.get("dead"), () => outbox.has("x"), () => outbox.message("x")])
    assert.throws(ask, closed);
  await assert.rejects(outbox.deadLetters.retry("dead"), closed);
  await assert.rejects(outbox.deadLetters.retry({ all: true }), closed);
  await assert.rejects(outbox.deadLetters.drop("dead"), closed);
});

test("of dead letters that are listed one at a time is read", async (t) => {
  const { outbox, way } = await rig(t, { maxAttempts: 1 });
  way.answer = () => handlerFailed();
  await Promise.all(Array.from({ length: 300 }, (_, index) => outbox.post("x", { id: `${index}` })));
  await outbox.flush();
  const get = t.mock.method(Graveyard.prototype, "get");
  const letters = outbox.deadLetters.list();
  letters.next();
  assert.equal(get.mock.callCount(), 1);
  assert.equal([...letters].length, 299);
  assert.equal(await outbox.deadLetters.drop({ all: true }), 300);
});
