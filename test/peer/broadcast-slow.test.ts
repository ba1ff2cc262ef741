import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Subscription } from "../../src/index.js";
import { MemoryLogger } from "../support/logger.js";
import { connect, rejection, serve, socketPath } from "./support.js";

const MIB = 1_048_576;

/** Reads to the end: how many came, how many of the messages before them were dropped, and whether their order was kept. */
async function drain(subscription: Subscription) {
  let received = 0;
  let dropped = 0;
  for await (const message of subscription) {
    dropped += message.dropped;
    assert.equal(message.bytes[0], (received + dropped) % 251, "out of order");
    received++;
  }
  return { received, dropped };
}

test("100 MiB for a subscriber that never reads take little memory, and others get all of it", {
  timeout: 120_000,
}, async (t) => {
  const server = await serve(t, () => undefined, { broadcast: { maxQueuedBytes: MIB } });
  const [stuck, well] = [await connect(t, server), await connect(t, server)];
  const never = stuck.subscribe("data");
  const reader = well.subscribe("data", { slow: "wait" });
  await Promise.all([never.ready, reader.ready]);
  const counting = drain(reader);
  // What is held, and not what V8 has not collected yet.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = () => {
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const before = held();
  let most = 0;
  for (let index = 0; index < 1_600; index++) {
    await server.publish("data", Buffer.alloc(65_536, index % 251));
    if (index % 100 === 99) most = Math.max(most, held() - before);
  }
  t.diagnostic(`${Math.round(most / MIB)} MiB more`);
  assert.ok(most < 64 * MIB, `${Math.round(most / MIB)} MiB more`);
  const late = drain(never);
  await server.close();
  assert.deepEqual(await counting, { received: 1_600, dropped: 0 });
  const { received, dropped } = await late;
  assert.equal(received + dropped, 1_600);
  assert.ok(received < 100, `${received} were kept`);
  assert.equal(never.dropped, dropped);
});

test("subscribers of every policy, fast and slow, lose nothing in silence", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, () => undefined, {
    logger,
    broadcast: { maxQueuedMessages: 200, maxQueuedBytes: 8 * MIB },
  });
  const client = await connect(t, server);
  const dropping = client.subscribe("n.*", { slow: "drop", maxQueuedMessages: 50 });
  const leaving = client.subscribe("n.>", { slow: "disconnect", maxQueuedMessages: 50 });
  const waiting = client.subscribe("n.x", { slow: "wait" });
  await Promise.all([dropping.ready, leaving.ready, waiting.ready]);
  const counting = drain(waiting);
  for (let index = 0; index < 2_000; index++) await server.publish("n.x", Buffer.alloc(2_000, index % 251));
  const late = Promise.all([drain(dropping), rejection(drain(leaving))]);
  await server.close();
  assert.equal((await counting).received, 2_000);
  const [{ received, dropped }, error] = await late;
  assert.equal(received + dropped, 2_000);
  assert.equal(error.code, "OVERLOADED");
  assert.match(
    error.message,
    /Cannot subscribe at .*: the subscriber is too slow: 50 messages of \d+ bytes wait for it/,
  );
  assert.equal(logger.at("warn").length, 1);
});

test("one subscriber that is waited for holds back only who waits for him, and is let go in the end", async (t) => {
  const server = await serve(t, (message) => message.text(), { broadcast: { maxWaitMs: 50 } });
  const [stuck, well] = [await connect(t, server), await connect(t, server)];
  const never = stuck.subscribe("data", { slow: "wait" });
  const reader = well.subscribe("data");
  await Promise.all([never.ready, reader.ready]);
  const counting = drain(reader);
  let last: Promise<void> = Promise.resolve();
  for (let index = 0; index < 20; index++) last = server.publish("data", Buffer.alloc(65_536, index % 251));
  // Others are served meanwhile.
  assert.equal((await well.send("hello")).text(), "hello");
  await last;
  assert.equal((await rejection(drain(never))).code, "OVERLOADED");
  await server.close();
  assert.deepEqual(await counting, { received: 20, dropped: 0 });
});

test("who subscribes later begins with what was kept, and then goes on", async (t) => {
  const server = await serve(t, () => undefined, { broadcast: { replayMessages: 2 } });
  const client = await connect(t, server);
  for (const [topic, text] of [
    ["a", "1"],
    ["b", "1"],
    ["a", "2"],
    ["a", "3"],
  ] as const)
    void server.publish(topic, text);
  const [all, one, none] = [
    client.subscribe(">", { replay: 10 }),
    client.subscribe("a", { replay: 1 }),
    client.subscribe("a"),
  ];
  await Promise.all([all.ready, one.ready, none.ready]);
  void server.publish("a", "4");
  void server.close();
  const texts = async (subscription: Subscription) => {
    const found: string[] = [];
    for await (const { topic, isReplayed } of subscription) {
      found.push(`${topic}${isReplayed ? " old" : ""}`);
    }
    return found;
  };
  assert.deepEqual(await texts(all), ["b old", "a old", "a old", "a"]);
  assert.deepEqual(await texts(one), ["a old", "a"]);
  assert.deepEqual(await texts(none), ["a"]);
});

test("a message over the reader's limit ends its subscription by name", async (t) => {
  const server = await serve(t, () => undefined, { maxMessageBytes: 10_000 });
  const client = await connect(t, server, { maxMessageBytes: 1_000 });
  const subscription = client.subscribe("a");
  await subscription.ready;
  assert.equal((await rejection(server.publish("a", Buffer.alloc(10_001)))).code, "MESSAGE_TOO_LARGE");
  void server.publish("a", Buffer.alloc(1_000));
  void server.publish("a", Buffer.alloc(2_000));
  assert.equal((await subscription.next()).value?.byteLength, 1_000);
  assert.equal((await rejection(subscription.next())).code, "MESSAGE_TOO_LARGE");
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
  assert.equal((await client.send("x")).text(), "");
});

test("a signal ends a subscription with its reason, and a server that does not answer with TIMEOUT", async (t) => {
  const server = await serve(t, () => undefined);
  const client = await connect(t, server);
  const controller = new AbortController();
  const subscription = client.subscribe("a", { signal: controller.signal });
  await subscription.ready;
  const next = rejection(subscription.next());
  controller.abort("enough");
  const error = await next;
  assert.equal(error.code, "CANCELLED");
  assert.equal(error.cause, "enough");
  const aborted = client.subscribe("a", { signal: AbortSignal.abort("before") });
  assert.equal((await rejection(aborted.ready)).code, "CANCELLED");
});

test("a server that does not confirm a subscription in time is TIMEOUT", async (t) => {
  const path = socketPath(t);
  const silent = createServer((socket) => void sockets.push(socket));
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  const client = await connect(t, { address: path });
  const none = client.subscribe("a", { timeoutMs: 20 });
  assert.match((await rejection(none.ready)).message, /not confirmed it within 20 ms/);
  assert.equal((await rejection(none.next())).code, "TIMEOUT");
  assert.deepEqual(await none.next(), { value: undefined, done: true });
});
