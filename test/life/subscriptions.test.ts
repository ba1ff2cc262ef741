import assert from "node:assert/strict";
import { test } from "node:test";
import type { Subscription } from "../../src/index.js";
import { settle, World } from "./support.js";

/** The next message, in short. */
async function take(subscription: Subscription): Promise<string> {
  const { value, done } = await subscription.next();
  if (done) return "end";
  return `${value.isAfterGap ? "gap " : ""}${value.isReplayed ? "old " : ""}${value.text()}`;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "fine",
    (error) => error.code as string,
  );

test("a subscription is made again when its connection is lost, and the next message says that there is a gap", async (t) => {
  const world = new World(t);
  const { broadcaster } = world.serve(() => undefined);
  const client = world.client({ retry: "unsent" });
  const subscription = client.subscribe("a");
  await subscription.ready;
  await broadcaster.publish("a", "1");
  assert.equal(await take(subscription), "1");
  world.cut();
  await broadcaster.publish("a", "missed");
  await settle();
  await broadcaster.publish("a", "3");
  await broadcaster.publish("a", "4");
  assert.equal(await take(subscription), "gap 3");
  assert.equal(subscription.gaps, 1);
  assert.equal(await take(subscription), "4");
  assert.equal(broadcaster.count(), 1);
});

test("what had come of the lost connection is read first", async (t) => {
  const world = new World(t);
  const { broadcaster } = world.serve(() => undefined);
  const subscription = world.client({ retry: "unsent" }).subscribe("a");
  await subscription.ready;
  for (const text of ["1", "2"]) await broadcaster.publish("a", text);
  await settle();
  world.cut();
  await settle();
  await broadcaster.publish("a", "5");
  await settle();
  // A second loss, before anything of the first was read: what came between is in the same gap.
  world.cut();
  await settle();
  await world.time.advance(50);
  await settle();
  await broadcaster.publish("a", "6");
  const texts = [await take(subscription), await take(subscription), await take(subscription)];
  assert.deepEqual(texts, ["1", "2", "gap 6"]);
});

test("it is back as soon as the server is, however often its connection was lost", async (t) => {
  const world = new World(t);
  const { broadcaster } = world.serve(() => undefined);
  const client = world.client({ retry: "unsent", reconnect: { minDelayMs: 60_000, maxDelayMs: 60_000 } });
  const subscription = client.subscribe("a");
  await subscription.ready;
  for (let loss = 0; loss < 2; loss++) {
    world.cut();
    await settle();
  }
  assert.equal(client.state.kind, "waiting");
  world.time.advance(10);
  world.news?.();
  await settle();
  assert.deepEqual([client.state.kind, broadcaster.count()], ["open", 1]);
});

test("it waits for a server that is not there, and for one that has gone in good order", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent" });
  const subscription = client.subscribe("a");
  const first = take(subscription);
  await settle();
  const old = world.serve(() => undefined);
  client.reconnect();
  await subscription.ready;
  await old.broadcaster.publish("a", "1");
  assert.equal(await first, "1");

  await old.broadcaster.publish("a", "2");
  const second = take(subscription);
  world.vanish();
  void old.close(1_000);
  assert.equal(await second, "2");
  const third = take(subscription);
  await old.closed;
  const heir = world.serve(() => undefined);
  await settle();
  world.time.advance(5_000);
  await settle();
  await heir.broadcaster.publish("a", "3");
  assert.equal(await third, "gap 3");
});

test("with replay it begins with what is kept, each time", async (t) => {
  const world = new World(t);
  const { broadcaster } = world.serve(() => undefined, { broadcast: { replayMessages: 2 } });
  const subscription = world.client().subscribe("a", { retry: "unsent", replay: 2 });
  await subscription.ready;
  await broadcaster.publish("a", "1");
  assert.equal(await take(subscription), "1");
  world.cut();
  await broadcaster.publish("a", "2");
  const texts = [await take(subscription), await take(subscription)];
  assert.deepEqual(texts, ["gap old 1", "old 2"]);
});

test("without a policy it rejects with the cause, and nobody connects again", async (t) => {
  const world = new World(t);
  world.serve(() => undefined);
  const client = world.client({ retry: "unsent" });
  const subscription = client.subscribe("a", { retry: false });
  await subscription.ready;
  world.cut();
  assert.equal(await codeOf(subscription.next()), "CONNECTION_LOST");
  await settle();
  assert.equal(world.attempts, 1);
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
});

test("what needs somebody to do something ends it, and so does what it has asked for", async (t) => {
  const world = new World(t);
  const { broadcaster } = world.serve(() => undefined, { broadcast: { allow: () => world.attempts < 2 } });
  const client = world.client({ retry: "unsent" });
  const subscription = client.subscribe("a");
  const impatient = client.subscribe("a", { slow: "disconnect", maxQueuedMessages: 1 });
  await impatient.ready;
  for (let count = 0; count < 40; count++) void broadcaster.publish("a", "x".repeat(50_000));
  await settle();
  const reading = async () => {
    for await (const message of impatient) assert.equal(message.isAfterGap, false);
  };
  assert.equal(await codeOf(reading()), "OVERLOADED");
  for (let count = 0; count < 40; count++) assert.notEqual(await take(subscription), "end");
  world.cut();
  assert.equal(await codeOf(subscription.next()), "PEER_REFUSED");
  await settle();
  assert.equal(world.attempts, 2);
});

test("it ends while it waits: left, aborted, too late, or with its client", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent", maxWaiting: 4 });
  const controller = new AbortController();
  const left = client.subscribe("a");
  const aborted = client.subscribe("a", { signal: controller.signal });
  const late = client.subscribe("a", { timeoutMs: 1 });
  const closed = client.subscribe("a");
  const nexts = [left, aborted, late, closed].map((subscription) => codeOf(subscription.next()));
  assert.equal(await codeOf(client.subscribe("a").ready), "OVERLOADED");
  await left.return();
  controller.abort();
  assert.equal(await codeOf(late.ready), "TIMEOUT");
  await client.close();
  assert.deepEqual(await Promise.all(nexts), ["fine", "CANCELLED", "TIMEOUT", "fine"]);
  assert.deepEqual(await closed.next(), { value: undefined, done: true });
});

test("a server that ends it again and again is asked ever more seldom", async (t) => {
  const world = new World(t);
  const acceptor = world.serve(() => undefined, { broadcast: { maxSubscriptions: 1 } });
  const client = world.client({ retry: "unsent" });
  const first = client.subscribe("a");
  await first.ready;
  const second = client.subscribe("b");
  const next = take(second);
  await settle();
  const delays: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    delays.push(Math.round(world.time.nextInMs));
    world.time.advance(world.time.nextInMs);
    await settle();
  }
  assert.ok(
    delays.every((delay, index) => index === 0 || delay >= (delays[index - 1] ?? 0)),
    delays.join(),
  );
  assert.ok((delays.at(-1) ?? 0) >= 200, delays.join());
  await first.return();
  await settle();
  world.time.advance(1_000);
  await second.ready;
  await acceptor.broadcaster.publish("b", "now");
  assert.equal(await next, "now");
  assert.equal(second.gaps, 0);
});
