import assert from "node:assert/strict";
import { test } from "node:test";
import type { Subscription } from "../../src/index.js";
import { connect, rejection, serve } from "./support.js";

/** So many messages of it, as `topic text`, with what was dropped before each. */
export async function take(subscription: Subscription, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const { value, done } = await subscription.next();
    if (done) return [...found, "end"];
    found.push(
      `${value.dropped > 0 ? `(${value.dropped}) ` : ""}${value.isReplayed ? "old " : ""}${value.topic} ${value.text()}`,
    );
  }
  return found;
}

test("who has subscribed gets what is published on the topics of his pattern, in order", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  const all = client.subscribe(">");
  const done = client.subscribe("jobs.*.done");
  await Promise.all([all.ready, done.ready]);
  await server.publish("jobs.1.begun", "a");
  await server.publish("jobs.1.done", Buffer.from("b"));
  await server.publish("weather", "");
  assert.deepEqual(await take(all, 3), ["jobs.1.begun a", "jobs.1.done b", "weather "]);
  assert.deepEqual(await take(done, 1), ["jobs.1.done b"]);
  assert.equal(server.subscriptionCount(), 2);
  assert.equal(server.subscriptionCount("jobs.7.done"), 2);
  assert.equal(server.subscriptionCount("other"), 1);
});

test("a subscription is in force before what is sent after it is handled", async (t) => {
  const server = await serve(t, async () => {
    await server.publish("progress", "half");
    return "done";
  });
  const client = await connect(t, server);
  const progress = client.subscribe("progress");
  const reply = await client.send("work");
  assert.equal(reply.text(), "done");
  assert.deepEqual(await take(progress, 1), ["progress half"]);
});

test("who breaks out of the loop is not subscribed any more, and the connection goes on", async (t) => {
  const server = await serve(t, (message) => message.text());
  const client = await connect(t, server);
  const subscription = client.subscribe("a");
  await subscription.ready;
  await server.publish("a", "1");
  for await (const message of subscription) {
    assert.equal(message.text(), "1");
    break;
  }
  assert.equal((await client.send("still here")).text(), "still here");
  assert.equal(server.subscriptionCount(), 0);
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
});

test("a server that closes sends what waits, and then the end", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  const subscription = client.subscribe("a");
  await subscription.ready;
  for (let index = 0; index < 1_000; index++) void server.publish("a", "x".repeat(1_000) + index);
  const closing = server.close();
  const found = await take(subscription, 1_001);
  await closing;
  assert.equal(found.length, 1_001);
  assert.equal(found.at(-1), "end");
  assert.ok(found[999]?.endsWith("x999"));
});

test("a client that closes ends its subscriptions", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  const subscription = client.subscribe("a");
  await subscription.ready;
  const next = subscription.next();
  await client.close();
  assert.deepEqual(await next, { value: undefined, done: true });
});

test("a connection that is lost rejects with its cause, behind what had come", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  const subscription = client.subscribe("a");
  await subscription.ready;
  void server.publish("a", "1");
  assert.deepEqual(await take(subscription, 1), ["a 1"]);
  void server.close({ graceMs: 0 });
  await server.close();
  const outcome = await subscription.next().then(
    ({ done }) => (done === true ? "end" : "more"),
    (error) => error.code,
  );
  assert.ok(["end", "CONNECTION_LOST"].includes(outcome), outcome);
});

test("what cannot be a topic or a pattern is refused by name", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  for (const topic of ["", ".", "a.", "a..b", "a.*", ">", "a b", "a\n", "x".repeat(256), 7 as never]) {
    const error = await rejection(server.publish(topic, ""));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, /^Cannot use topic /);
  }
  for (const pattern of ["", "a.", ">.a", "a.>.b", "a*", "a.b>", "x".repeat(256), null as never]) {
    assert.throws(() => client.subscribe(pattern), /Cannot use pattern /);
  }
  assert.throws(() => client.subscribe("a", { slow: "sometimes" as never }), /Cannot use slow: /);
  assert.throws(() => client.subscribe("a", { maxQueuedMessages: 0 }), /Cannot use maxQueuedMessages: 0/);
  assert.match((await rejection(server.publish("a", 7 as never))).message, /Cannot send this message/);
});

test("who may not subscribe is told so, and so is who uses the plain wire", async (t) => {
  const allow = (pattern: string) => pattern !== "secret.>";
  const server = await serve(t, () => undefined, { broadcast: { allow } });
  const client = await connect(t, server);
  assert.equal((await rejection(client.subscribe("secret.>").ready)).code, "PEER_REFUSED");
  const refused = client.subscribe("secret.>");
  assert.equal((await rejection(refused.next())).code, "PEER_REFUSED");
  assert.deepEqual(await refused.next(), { value: undefined, done: true });
  const plain = await connect(t, server, { wire: "plain" });
  assert.equal((await rejection(plain.subscribe("a").ready)).code, "UNSUPPORTED");
});

test("subscriptions take no place of messages", async (t) => {
  const server = await serve(t, (message) => message.text(), { maxInFlight: 1 });
  const client = await connect(t, server);
  const subscriptions = Array.from({ length: 200 }, (_, index) => client.subscribe(`topic.${index}`));
  assert.equal((await client.send("hello")).text(), "hello");
  await Promise.all(subscriptions.map(({ ready }) => ready));
  for (let index = 0; index < 200; index++) void server.publish(`topic.${index}`, "x");
  for (const [index, subscription] of subscriptions.entries()) {
    assert.deepEqual(await take(subscription, 1), [`topic.${index} x`]);
  }
});

test("a connection has as many subscriptions as the server lets it", async (t) => {
  const server = await serve(t, () => undefined, { broadcast: { maxSubscriptions: 2 } });
  const client = await connect(t, server);
  const first = client.subscribe("a");
  await client.subscribe("b").ready;
  const error = await rejection(client.subscribe("c").ready);
  assert.equal(error.code, "OVERLOADED");
  assert.match(error.message, /maxSubscriptions/);
  await first.return();
  await client.subscribe("c").ready;
});
