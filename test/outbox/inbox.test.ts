import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import { dial, listen } from "../../src/index.js";
import { Environment } from "../../src/outbox/environment.js";
import { type Inbox, type InboxOptions, inbox, inboxWith } from "../../src/outbox/inbox.js";
import { temporaryDirectory } from "../support/temp.js";
import { FakeTime } from "./support.js";

async function opened(t: TestContext, options: InboxOptions = {}, directory = join(temporaryDirectory(t), "inbox")) {
  const time = new FakeTime();
  const seen = await inboxWith(directory, options, time);
  t.after(() => seen.close());
  return { seen, time, directory };
}

const reply = (text: string) => ({ reply: Buffer.from(text) });

/** What it knows, as text. */
async function known(seen: Inbox, key: string): Promise<string | undefined> {
  const found = await seen.begin(key);
  return found === undefined ? undefined : Buffer.from(found.reply).toString();
}

test("a finished message is known with its reply, also when the inbox is opened again", async (t) => {
  const { seen, directory } = await opened(t);
  assert.equal(seen.begin("0:a"), undefined);
  await seen.finish("0:a", reply("done"));
  assert.equal(await known(seen, "0:a"), "done");
  await seen.close();
  const again = await opened(t, {}, directory);
  assert.equal(await known(again.seen, "0:a"), "done");
  assert.equal(again.seen.begin("0:b"), undefined);
});

test("who comes while a message is handled gets its reply, or its turn when it failed", async (t) => {
  const { seen } = await opened(t);
  assert.equal(seen.begin("k"), undefined);
  const second = seen.begin("k");
  const third = seen.begin("k");
  seen.forget("k");
  assert.equal(await second, undefined);
  await seen.finish("k", reply("by the second"));
  assert.deepEqual(Buffer.from((await third)?.reply ?? []).toString(), "by the second");
  seen.begin("other");
  seen.forget("other");
  assert.equal(seen.begin("other"), undefined);
});

test("it forgets after keepMs, and the oldest beyond maxIds and maxBytes", async (t) => {
  const { seen, time } = await opened(t, { keepMs: 1_000, maxIds: 3 });
  for (const key of ["a", "b", "c", "d"]) {
    seen.begin(key);
    await seen.finish(key, reply(key));
    time.wall += 100;
  }
  assert.equal(seen.size, 3);
  assert.equal(await known(seen, "a"), undefined);
  assert.equal(await known(seen, "b"), "b");
  time.wall += 700;
  assert.equal(await known(seen, "b"), undefined);
  assert.equal(await known(seen, "d"), "d");

  const small = await opened(t, { maxBytes: 2_000 });
  for (const key of ["a", "b", "c"]) {
    small.seen.begin(key);
    await small.seen.finish(key, { reply: Buffer.alloc(700) });
  }
  assert.equal(small.seen.size, 2);
  small.seen.begin("large");
  await small.seen.finish("large", { reply: Buffer.alloc(3_000) });
  assert.equal(small.seen.begin("large"), undefined, "one that is larger than all of it is not remembered");
});

test("replies leave when they are on disk, many in one transaction", async (t) => {
  const { seen } = await opened(t, { durability: "power" });
  const run = t.mock.method(Environment.prototype, "run");
  const sync = t.mock.method(Environment.prototype, "sync");
  const keys = Array.from({ length: 500 }, (_, index) => `${index}`);
  for (const key of keys) seen.begin(key);
  await Promise.all(keys.map((key) => seen.finish(key, reply(key))));
  assert.equal(run.mock.callCount(), 1);
  assert.equal(sync.mock.callCount(), 1);
  assert.equal(seen.size, 500);
});

test("those that are finished together leave no more than its limits allow, the newest of them", async (t) => {
  const { seen, time } = await opened(t, { maxIds: 100, keepMs: 1_000 });
  const finish = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from }, (_, index) => {
        seen.begin(`${from + index}`);
        return seen.finish(`${from + index}`, reply(`${from + index}`));
      }),
    );
  await finish(0, 500);
  assert.equal(seen.size, 100);
  assert.deepEqual([await known(seen, "399"), await known(seen, "400")], [undefined, "400"]);
  time.wall += 1_001;
  await finish(500, 510);
  assert.equal(seen.size, 10, "what is over is forgotten with the next that come");
});

test("when it cannot be kept, finish says so, and the message is handled anew", async (t) => {
  const { seen } = await opened(t);
  seen.begin("k");
  const run = t.mock.method(Environment.prototype, "run", () => Promise.reject(new Error("broken")));
  await assert.rejects(Promise.resolve(seen.finish("k", reply("lost"))), /broken/);
  run.mock.restore();
  seen.forget("k");
  assert.equal(seen.begin("k"), undefined);
});

test("a reply whose bytes were changed on the disk is not sent", async (t) => {
  const { seen, directory } = await opened(t);
  seen.begin("k");
  await seen.finish("k", reply("y".repeat(100)));
  await seen.close();
  const file = join(directory, "data.mdb");
  const bytes = readFileSync(file);
  for (let at = bytes.indexOf("yyyy"); at >= 0; at = bytes.indexOf("yyyy", at + 1)) bytes[at] = 122;
  writeFileSync(file, bytes);
  const again = await opened(t, {}, directory);
  assert.equal(again.seen.begin("k"), undefined);
});

test("when the clock was ahead and is set back, what is recorded then is not forgotten first", async (t) => {
  const { seen, time } = await opened(t, { maxIds: 3 });
  const tenYears = 3_650 * 86_400_000;
  const finish = async (key: string) => {
    seen.begin(key);
    await seen.finish(key, reply(key));
  };
  time.wall += tenYears;
  for (const key of ["a", "b", "c"]) await finish(key);
  time.wall -= tenYears;
  for (const key of ["d", "e"]) {
    await finish(key);
    time.wall += 1_000;
    assert.equal(await known(seen, key), key);
  }
  assert.equal(await known(seen, "a"), undefined);
  assert.equal(seen.size, 3);
});

test("while its disk is full nothing is begun, so that no work is done again and again for nothing", async (t) => {
  const { seen } = await opened(t);
  const assertRoom = t.mock.method(Environment.prototype, "assertRoom", () => {
    throw new EarshotError("STORE_FULL", "the disk is full");
  });
  assert.equal(seen.begin("k"), undefined, "it is not known yet");
  await assert.rejects(Promise.resolve(seen.finish("k", reply("lost"))), { code: "STORE_FULL" });
  seen.forget("k");
  for (const key of ["k", "other"]) assert.throws(() => seen.begin(key), { code: "STORE_FULL" });
  assertRoom.mock.restore();
  assert.equal(seen.begin("k"), undefined);
  await seen.finish("k", reply("kept"));
  assert.equal(await known(seen, "k"), "kept");
});

test("when what was handled cannot be recorded, one of those who wait for it is next, and no other beside it", async (t) => {
  const { seen } = await opened(t);
  const address = join(temporaryDirectory(t), "s");
  let running = 0;
  let most = 0;
  const handler = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 50));
    running--;
    return "";
  };
  const server = await listen(address, handler, { deduplicate: seen });
  t.after(() => server.close({ graceMs: 0 }));
  const run = Environment.prototype.run;
  let runs = 0;
  t.mock.method(
    Environment.prototype,
    "run",
    function (this: Environment<never>, op: "receive", action: () => unknown) {
      return runs++ === 0 ? Promise.reject(new Error("broken")) : run.call(this, op, action);
    },
  );
  const clients = await Promise.all([1, 2, 3].map(() => dial(address)));
  const sends = await Promise.allSettled(clients.map((client) => client.send("same", { id: "same" })));
  assert.deepEqual(sends.map(({ status }) => status).sort(), ["fulfilled", "fulfilled", "rejected"]);
  assert.equal(most, 1);
  for (const client of clients) await client.close();
});

test("wrong options and a directory of something else are refused", async (t) => {
  const directory = temporaryDirectory(t);
  await assert.rejects(inbox(directory, { keepMs: 0 }), {
    message: /^Cannot use keepMs: 0; it is a whole number of 1 or more$/,
  });
  await assert.rejects(inbox(""), { code: "INVALID_ARGUMENT" });
  await (await Environment.open(directory, { kind: "outbox", version: 1, tables: [] })).close();
  await assert.rejects(inbox(directory), { message: /: it holds an outbox, not an inbox; choose another directory$/ });
  const { seen } = await opened(t);
  await seen.close();
  assert.throws(() => seen.begin("x"), { code: "CONNECTION_CLOSED" });
});
