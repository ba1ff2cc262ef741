/** Bytes that were changed on the disk. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { PostOptions } from "../../src/outbox/options.js";
import { FakeTime, FakeWay, handlerFailed, type Rig, rig, settled } from "./support.js";

/** A directory with these messages in it, closed. */
async function filled(t: TestContext, time: FakeTime, posts: readonly [string, PostOptions][]): Promise<string> {
  const { outbox, directory } = await rig(t, { deliver: false }, { time });
  for (const [text, options] of posts) await outbox.post(text, options);
  await outbox.close();
  return directory;
}

/** Changes some of the bytes of a file; both texts have the same length. */
function change(directory: string, from: string, to: string): void {
  const file = join(directory, "data.mdb");
  const bytes = readFileSync(file);
  let count = 0;
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1), count++) bytes.write(to, at);
  assert.ok(count > 0, `${from} is there`);
  writeFileSync(file, bytes);
}

/** The same, opened again when a text was changed. */
async function damaged(
  t: TestContext,
  posts: readonly [string, PostOptions][],
  from: string,
  to: string,
): Promise<Rig> {
  const time = new FakeTime();
  const directory = await filled(t, time, posts);
  change(directory, from, to);
  const way = new FakeWay();
  way.answer = () => "ok";
  return await rig(t, {}, { directory, time, way });
}

const letters = ({ outbox }: Rig) => [...outbox.deadLetters.list()].map(({ id, reason }) => `${id} ${reason.code}`);

test("a damaged dead letter can be dropped, and those who ask for something in the same turn do not suffer", async (t) => {
  const opened = await damaged(t, [["PAYLOAD-ONE", { id: "bad" }]], "PAYLOAD-ONE", "PAYLOAD-TWO");
  const { outbox } = opened;
  await outbox.flush();
  assert.deepEqual(letters(opened), ["bad STORE_DAMAGED"]);
  const results = await Promise.allSettled([outbox.deadLetters.retry("bad"), outbox.post("innocent")]);
  assert.deepEqual(
    results.map((result) => (result.status === "rejected" ? result.reason.code : "ok")),
    ["STORE_DAMAGED", "ok"],
  );
  assert.deepEqual(letters(opened), ["bad STORE_DAMAGED"]);
  assert.equal(await outbox.deadLetters.drop("bad"), 1);
  assert.deepEqual([outbox.stats().dead, outbox.stats().deadBytes], [0, 0]);
});

test("a damaged dead letter is in nobody's way when all are tried again or dropped", async (t) => {
  const time = new FakeTime();
  const first = await rig(t, { maxAttempts: 1 }, { time });
  first.way.answer = () => handlerFailed();
  for (const text of ["one", "PAYLOAD-ONE", "three"]) await first.outbox.post(text, { id: text });
  await first.outbox.flush();
  await first.outbox.close();
  change(first.directory, "PAYLOAD-ONEPAYLOAD-ONE", "PAYLOAD-ONEPAYLOAD-TWO");
  const opened = await rig(t, {}, { directory: first.directory, time });
  opened.way.answer = () => "ok";
  assert.equal(await opened.outbox.deadLetters.retry({ all: true }), 2);
  await opened.outbox.flush();
  assert.deepEqual(opened.way.sent.sort(), ["one", "three"]);
  assert.deepEqual(letters(opened), ["PAYLOAD-ONE HANDLER_FAILED"]);
  assert.equal(opened.outbox.deadLetters.get("PAYLOAD-ONE")?.data.length, 0);
  assert.equal(await opened.outbox.deadLetters.drop({ all: true }), 1);
  assert.equal(opened.outbox.stats().dead, 0);
});

test("a dead letter whose reason is damaged is listed, tried again and dropped as others", async (t) => {
  const time = new FakeTime();
  const first = await rig(t, { maxAttempts: 1 }, { time });
  first.way.answer = () => handlerFailed();
  for (const id of ["one", "two"]) await first.outbox.post(id, { id });
  await first.outbox.flush();
  await first.outbox.close();
  change(first.directory, '{"code":', '?"code":');
  const opened = await rig(t, {}, { directory: first.directory, time });
  opened.way.answer = () => "ok";
  assert.deepEqual(letters(opened), ["one STORE_DAMAGED", "two STORE_DAMAGED"]);
  await opened.outbox.deadLetters.drop("one");
  await opened.outbox.deadLetters.retry("two");
  await opened.outbox.flush();
  assert.deepEqual([opened.way.sent, letters(opened)], [["two"], []]);
});

test("a damaged message that expires keeps no others from their time, and is listed meanwhile", async (t) => {
  const opened = await damaged(
    t,
    [
      ["head", { id: "head", key: "k", delayMs: 3_600_000 }],
      ["PAYLOAD-ONE", { id: "bad", key: "k", expiresAt: new FakeTime().wall + 300 }],
      ["later", { id: "later", delayMs: 800 }],
    ],
    "PAYLOAD-ONE",
    "PAYLOAD-TWO",
  );
  const listed = [...opened.outbox.messages()].map(({ id, key, data, lastError }) => [
    id,
    key,
    data.length,
    lastError?.code,
  ]);
  assert.deepEqual(listed, [
    ["head", "k", 4, undefined],
    ["bad", "k", 0, "STORE_DAMAGED"],
    ["later", undefined, 5, undefined],
  ]);
  await opened.time.advance(1_000);
  assert.deepEqual(opened.told, ["dead bad STORE_DAMAGED", "delivered later"]);
  await opened.time.advance(3_600_000);
  assert.deepEqual(opened.way.sent, ["later", "head"]);
});

test("where a message is wrong about its key, those behind it go on all the same", async (t) => {
  const key = "KEYKEYKEY";
  const opened = await damaged(
    t,
    [
      ["first", { id: "i1", key }],
      ["second", { id: "i2", key }],
    ],
    `i1${key}first`,
    "i1KEYKEYKEZfirst",
  );
  await opened.outbox.flush();
  await opened.outbox.post("third", { id: "i3", key });
  await opened.outbox.flush();
  assert.deepEqual(opened.way.sent, ["second", "third"]);
  assert.deepEqual(letters(opened), ["i1 STORE_DAMAGED"]);
});

test("where a message behind others is wrong about its key and times, nothing of it stays", async (t) => {
  const key = "KEYKEYKEY";
  const expiresAt = new FakeTime().wall + 1_000;
  const posts: readonly [string, PostOptions][] = [
    ["first", { id: "i1", key, delayMs: 5_000 }],
    ["second", { id: "i2", key, expiresAt }],
    ["third", { id: "i3", key }],
  ];
  const opened = await damaged(t, posts, `i2${key}second`, "i2KEYKEYKEZsecond");
  await opened.time.advance(10_000);
  assert.deepEqual(opened.told, ["dead i2 STORE_DAMAGED", "delivered i1", "delivered i3"]);
  assert.ok(opened.time.nextMs <= 1_000, "it looks now and then, and is not busy");
});

test("a message that is wrong about its id is known by the right one, and may be posted again", async (t) => {
  const opened = await damaged(t, [["first", { id: "IDIDID1" }]], "IDIDID1first", "IDIDID2first");
  const { outbox, way } = opened;
  await outbox.flush();
  assert.deepEqual(letters(opened), ["IDIDID1 STORE_DAMAGED"]);
  assert.equal(outbox.deadLetters.get("IDIDID2"), undefined);
  assert.deepEqual(await outbox.post("first", { id: "IDIDID1" }), { id: "IDIDID1", isNew: true });
  await outbox.flush();
  assert.deepEqual(way.sent, ["first"]);
  const [letter] = [...outbox.deadLetters.list()];
  assert.match(String(letter?.id), /^[\w-]{20}-1$/);
  assert.equal(await outbox.deadLetters.drop(String(letter?.id)), 1);
  assert.equal(outbox.stats().dead, 0);
});

test("what is known of earlier attempts may be damaged: its message counts as not tried yet", async (t) => {
  const time = new FakeTime();
  const retry = { minDelayMs: 60_000, maxDelayMs: 60_000 };
  const first = await rig(t, { retry }, { time });
  first.way.answer = () => handlerFailed();
  for (const id of ["one", "two"]) await first.outbox.post(id, { id });
  await settled(first.outbox);
  await first.outbox.close();
  change(first.directory, '{"attempts"', '?"attempts"');
  const opened = await rig(t, { retry }, { directory: first.directory, time });
  await opened.outbox.post("three", { id: "three" });
  await opened.way.untilSent(3);
  for (const { text, resolve, reject } of [...opened.way.underWay])
    text === "one" ? reject(handlerFailed()) : resolve();
  await settled(opened.outbox);
  assert.deepEqual(opened.told.sort(), ["delivered three", "delivered two", "retry one 1 in 60000"]);
});
