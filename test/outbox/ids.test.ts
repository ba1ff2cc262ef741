import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { listen } from "../../src/index.js";
import { Environment } from "../../src/outbox/environment.js";
import { inbox, openOutbox } from "../../src/outbox/index.js";
import { temporaryDirectory } from "../support/temp.js";
import { rig } from "./support.js";

test("a message without an id of its own keeps the one that it got, also for a process that only reads or delivers", async (t) => {
  const { outbox, directory } = await rig(t, { deliver: false });
  const { id } = await outbox.post("x");
  assert.match(id, /^[\w-]{20}-1$/);
  await outbox.close();
  const looking = await rig(t, { deliver: false }, { directory });
  assert.deepEqual(
    [...looking.outbox.messages()].map((message) => message.id),
    [id],
  );
  assert.equal(looking.outbox.message(id)?.id, id);
  await looking.outbox.close();
  const delivering = await rig(t, {}, { directory });
  await delivering.way.untilSent(1);
  assert.equal(delivering.way.underWay[0]?.message.id, id);
});

test("two outboxes that are opened again do not take each other's messages for their own at a server with an inbox", async (t) => {
  const parent = temporaryDirectory(t);
  const address = join(parent, "s");
  for (const name of ["one", "two"]) {
    const outbox = await openOutbox(join(parent, name), { deliver: false });
    await outbox.post(`from ${name}`);
    await outbox.close();
  }
  const seen = await inbox(join(parent, "in"));
  const handled: string[] = [];
  const server = await listen(address, (message) => void handled.push(message.text()), { deduplicate: seen });
  t.after(async () => {
    await server.close();
    await seen.close();
  });
  for (const name of ["one", "two"]) {
    const outbox = await openOutbox(join(parent, name), { address });
    await outbox.flush();
    await outbox.close();
  }
  assert.deepEqual(handled, ["from one", "from two"]);
});

test("when its first transaction comes to nothing, a store still has one id for all processes", async (t) => {
  const { outbox, directory } = await rig(t, { deliver: false });
  const run = Environment.prototype.run;
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  const mock = t.mock.method(
    Environment.prototype,
    "run",
    function (this: Environment<never>, op: "post", action: () => unknown) {
      return run.call(this, op, () => {
        action();
        throw full;
      });
    },
  );
  await assert.rejects(outbox.post("lost"), { code: "STORE_FULL" });
  mock.mock.restore();
  const first = await outbox.post("first");
  await outbox.close();
  const again = await rig(t, { deliver: false }, { directory });
  const second = await again.outbox.post("second");
  assert.deepEqual(
    [...again.outbox.messages()].map(({ id }) => id),
    [first.id, second.id],
  );
  assert.equal(first.id.slice(0, -2), second.id.slice(0, -2));
});

test("what can be no id is nobody's, and costs those who are asked with it nothing", async (t) => {
  const { outbox } = await rig(t, { deliver: false });
  for (const id of ["", "y".repeat(5_000), "\ud800"]) {
    const [retried, dropped, posted] = await Promise.allSettled([
      outbox.deadLetters.retry(id),
      outbox.deadLetters.drop(id),
      outbox.post("innocent"),
    ]);
    for (const result of [retried, dropped])
      assert.match(String(result.status === "rejected" && result.reason), /there is no such dead letter$/);
    assert.equal(posted.status, "fulfilled");
    assert.equal(outbox.message(id), undefined);
    assert.equal(outbox.has(id), false);
    assert.equal(outbox.deadLetters.get(id), undefined);
  }
});

test("all dead letters are retried or dropped for who says so only", async (t) => {
  const { outbox } = await rig(t, { deliver: false });
  for (const wrong of [undefined, null, 7, {}, { all: false }]) {
    await assert.rejects(outbox.deadLetters.drop(wrong as never), {
      code: "INVALID_ARGUMENT",
      message: /^Cannot use id: /,
    });
    await assert.rejects(outbox.deadLetters.retry(wrong as never), { code: "INVALID_ARGUMENT" });
  }
});

test("has tells whether a message is pending", async (t) => {
  const { outbox, way } = await rig(t);
  const { id } = await outbox.post("x");
  assert.equal(outbox.has(id), true);
  assert.equal(outbox.has(`${id}0`), false);
  await way.untilSent(1);
  way.underWay[0]!.resolve();
  await outbox.flush();
  assert.equal(outbox.has(id), false);
});
