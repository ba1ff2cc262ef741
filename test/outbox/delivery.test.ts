import assert from "node:assert/strict";
import { test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import { connectionLost, handlerFailed, rig, serverAway, settled } from "./support.js";

test("messages of one key go one after the other, in order, and others do not wait for them", async (t) => {
  const { outbox, way } = await rig(t);
  const posts = ["a1", "a2", "b1", "free", "a3"].map((text) =>
    outbox.post(text, { id: text, ...(text === "free" ? {} : { key: text.charAt(0) }) }),
  );
  await Promise.all(posts);
  await settled(outbox);
  assert.deepEqual(way.sent, ["a1", "b1", "free"]);
  way.underWay[0]!.resolve();
  await way.untilSent(4);
  assert.deepEqual(way.sent.slice(3), ["a2"]);
  way.answer = () => "ok";
  for (const attempt of [...way.underWay]) attempt.resolve();
  await outbox.flush();
  assert.deepEqual(way.sent.slice(4), ["a3"]);
  assert.equal(outbox.pending, 0);
});

test("no more than concurrency are under way, and all are delivered once", async (t) => {
  const { outbox, way } = await rig(t, { concurrency: 3 });
  const texts = Array.from({ length: 50 }, (_, index) => `m${index}`);
  await Promise.all(texts.map((text) => outbox.post(text)));
  while (outbox.pending > 0) {
    await settled(outbox);
    for (const attempt of [...way.underWay]) attempt.resolve();
  }
  assert.equal(way.mostUnderWay, 3);
  assert.deepEqual(way.sent, texts);
});

test("a message that fails is tried again, with full jitter, while its key waits and others go on", async (t) => {
  const { outbox, way, time, told } = await rig(t, { retry: { minDelayMs: 100, maxDelayMs: 400 }, maxAttempts: 5 });
  way.answer = (text) => (text === "bad" ? handlerFailed() : "ok");
  await outbox.post("bad", { id: "bad", key: "k" });
  await outbox.post("behind", { id: "behind", key: "k" });
  await outbox.post("other", { id: "other" });
  await settled(outbox);
  assert.deepEqual(told, ["retry bad 1 in 100", "delivered other"]);
  await time.advance(99);
  assert.equal(way.sent.length, 2);
  await time.advance(1);
  assert.equal(told.at(-1), "retry bad 2 in 200");
  time.chance = 0;
  await time.advance(200);
  // No delay at all: the next two come at once, and the fifth is the last.
  await time.advance(0);
  await time.advance(0);
  assert.deepEqual(told.slice(3), [
    "retry bad 3 in 0",
    "retry bad 4 in 0",
    "dead bad HANDLER_FAILED",
    "delivered behind",
  ]);
  await outbox.flush();
});

test("a dead letter has its reason, and can be tried again or dropped", async (t) => {
  const { outbox, way, time } = await rig(t, { maxAttempts: 2 });
  way.answer = () => handlerFailed("the ledger is closed");
  await outbox.post("order", { id: "order", key: "customer", headers: { trace: "7" } });
  await time.advance(1_000);
  const [letter] = [...outbox.deadLetters.list()];
  assert.ok(letter !== undefined);
  const { reason } = letter;
  assert.deepEqual(
    { id: letter.id, key: letter.key, headers: letter.headers, text: Buffer.from(letter.data).toString() },
    { id: "order", key: "customer", headers: { trace: "7" }, text: "order" },
  );
  assert.deepEqual([reason.code, reason.message, reason.remoteCode], ["HANDLER_FAILED", "the ledger is closed", "NO"]);
  assert.equal(reason.attempts, 2);
  assert.ok((reason.firstAttemptAt ?? 0) < (reason.lastAttemptAt ?? 0));
  assert.equal(reason.deadAt, reason.lastAttemptAt);
  assert.deepEqual(outbox.stats().dead, 1);

  assert.equal((await outbox.post("again", { id: "order" })).isNew, false);
  way.answer = () => "ok";
  assert.equal(await outbox.deadLetters.retry("order"), 1);
  await outbox.flush();
  assert.equal(way.sent.at(-1), "order");
  assert.deepEqual([...outbox.deadLetters.list()], []);
  await assert.rejects(outbox.deadLetters.drop("order"), {
    code: "INVALID_ARGUMENT",
    message: 'Cannot use id: "order"; there is no such dead letter',
  });
});

test("what can never succeed is dead at once, and so is what isPermanent says", async (t) => {
  const isPermanent = (error: EarshotError) => error.remoteCode === "NO";
  const { outbox, way, told } = await rig(t, { isPermanent });
  way.answer = (text) =>
    text === "large" ? new EarshotError("MESSAGE_TOO_LARGE", "too large", { delivery: "unsent" }) : handlerFailed();
  await outbox.post("large", { id: "large" });
  await outbox.post("poison", { id: "poison" });
  await outbox.flush();
  assert.deepEqual(told, ["dead large MESSAGE_TOO_LARGE", "dead poison HANDLER_FAILED"]);
});

test("a server that is away for an hour costs no message an attempt, and all come in order when it is back", async (t) => {
  const { outbox, way, time, told } = await rig(t, { concurrency: 2, maxAttempts: 2 });
  way.answer = () => serverAway();
  for (const text of ["1", "2", "3", "4"]) await outbox.post(text, { id: text });
  await time.advance(3_600_000);
  assert.equal(outbox.pending, 4);
  assert.deepEqual([...new Set(told.map((line) => line.split(" ")[0]))], ["away"]);
  assert.equal(told.at(-1), "away NO_SERVER 60000");
  assert.ok(way.sent.length < 200, `${way.sent.length} attempts in an hour`);
  way.answer = () => "ok";
  const before = way.sent.length;
  way.back();
  await outbox.flush();
  assert.deepEqual(way.sent.slice(before), ["1", "2", "3", "4"]);
  assert.equal(outbox.stats().dead, 0);
});

test("after its time a message is a dead letter that says so, also behind one of its key that does not go", async (t) => {
  const { outbox, way, time, told } = await rig(t, { retry: { minDelayMs: 60_000, maxDelayMs: 60_000 } });
  way.answer = (text) => (text === "stuck" ? handlerFailed() : "ok");
  await outbox.post("stuck", { id: "stuck", key: "k" });
  await outbox.post("late", { id: "late", key: "k", expiresAt: new Date(time.wall + 5_000) });
  await outbox.post("early", { id: "early", key: "k", expiresAt: time.wall + 9_000_000 });
  await time.advance(4_999);
  assert.deepEqual(told, ["retry stuck 1 in 60000"]);
  await time.advance(1_001);
  assert.deepEqual(told.slice(1), ["dead late EXPIRED"]);
  const letter = outbox.deadLetters.get("late");
  assert.equal(letter?.reason.message, "it was to be delivered by 2026-01-01T00:00:05.000Z; and was not tried");
  assert.equal(letter?.reason.attempts, 0);
  way.answer = () => "ok";
  await time.advance(60_000);
  assert.deepEqual(told.slice(2), ["delivered stuck", "delivered early"]);
});

test("a delayed message waits for the wall clock, also when that is set, and its key waits with it", async (t) => {
  const { outbox, way, time } = await rig(t);
  way.answer = () => "ok";
  await outbox.post("later", { key: "k", delayMs: 600_000 });
  await outbox.post("behind", { key: "k" });
  await outbox.post("now");
  await time.advance(300_000);
  assert.deepEqual(way.sent, ["now"]);
  // Somebody sets the clock: it is noticed within a minute.
  time.wall += 300_000;
  await time.advance(60_000);
  assert.deepEqual(way.sent, ["now", "later", "behind"]);
  // And back: what was posted meanwhile is held back longer, never lost.
  await outbox.post("set back", { delayMs: 1_000 });
  time.wall -= 10_000;
  await time.advance(1_000);
  assert.equal(outbox.pending, 1);
  await time.advance(70_000);
  assert.equal(way.sent.at(-1), "set back");
});

test("a message that takes the server down is found by trying suspects alone, and the others survive", async (t) => {
  const { outbox, way, time, told } = await rig(t, { maxAttempts: 3 });
  for (const text of ["poison", "b", "c"]) await outbox.post(text, { id: text });
  await way.untilSent(3);
  for (let round = 0; outbox.pending > 0 && round < 20; round++) {
    // The server dies of the poison, and takes along whatever it has in hand.
    const isDeadly = way.underWay.some(({ text }) => text === "poison");
    for (const attempt of [...way.underWay]) {
      if (isDeadly) attempt.reject(connectionLost());
      else attempt.resolve();
    }
    await time.advance(2_000);
  }
  assert.equal(outbox.pending, 0);
  const ends = told.filter((line) => !line.startsWith("retry"));
  assert.deepEqual(ends.sort(), ["dead poison CONNECTION_LOST", "delivered b", "delivered c"]);
  assert.equal(outbox.deadLetters.get("poison")?.reason.attempts, 3);
});

test("an id that is there already is kept once; when it was delivered, it may be posted anew", async (t) => {
  const { outbox, way } = await rig(t);
  const results = await Promise.all([outbox.post("first", { id: "x" }), outbox.post("second", { id: "x" })]);
  assert.deepEqual(results, [
    { id: "x", isNew: true },
    { id: "x", isNew: false },
  ]);
  await way.untilSent(1);
  way.underWay[0]!.resolve();
  await outbox.flush();
  assert.deepEqual(way.sent, ["first"]);
  assert.equal((await outbox.post("third", { id: "x" })).isNew, true);
});
