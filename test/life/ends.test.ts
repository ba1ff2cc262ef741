import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import type { Channel } from "../../src/peer/channel.js";
import { Line } from "../../src/peer/line.js";
import { aborted, Gate, outcome, rejection } from "../peer/support.js";
import { FakeTime } from "../support/time.js";
import { becomes, settle, World } from "./support.js";

const tool = (version: string, accepts: string[]) => ({ name: "test", version, accepts });

for (const retry of [false, "unsent"] as const) {
  test(`a greeting that brings its own end is no connection: retry ${JSON.stringify(retry)}`, async (t) => {
    const world = new World(t);
    world.serve(() => "never", { app: tool("1.0", ["1"]) });
    const client = world.client({ app: tool("2.0", ["1", "2"]), retry });
    const error = await rejection(client.send("a"));
    assert.deepEqual([error.code, error.delivery], ["VERSION_MISMATCH", "unsent"]);
    assert.deepEqual(
      [(error.cause as EarshotError).op, (error.cause as EarshotError).address],
      ["dial", client.address],
    );
    await settle();
    assert.deepEqual([client.state.kind, world.time.timers.all], ["waiting", 0]);
    world.vanish();
    world.serve(() => "here", { app: tool("1.1", ["2"]) });
    assert.equal(await outcome(client.send("b")), "reply here");
    await client.close();
  });
}

test("a server that is full as it greets is waited for, with pauses", async (t) => {
  const world = new World(t);
  const server = world.serve(() => "here", { app: tool("1.0", ["1"]), maxConnections: 1 });
  const other = world.client({ app: tool("1.0", ["1"]) });
  await other.send("a");
  const client = world.client({ app: tool("1.0", ["1"]), retry: "unsent" });
  const sending = outcome(client.send("b"));
  await settle();
  assert.deepEqual([client.state.kind, server.connectionCount], ["waiting", 1]);
  await other.close();
  await settle();
  world.time.advance(100);
  assert.equal(await sending, "reply here");
});

test("a connection that has ended is not taken for one, whoever makes it", async () => {
  const ended = new EarshotError("CONNECTION_LOST", "gone");
  let closed = 0;
  const nothing = () => {};
  const loan = () => Promise.reject(ended);
  const channel = {
    app: undefined,
    ended,
    send: nothing,
    ping: nothing,
    cancel: nothing,
    stop: nothing,
    cut: nothing,
    loan,
  };
  const line = new Line({
    open: async (): Promise<Channel> => ({ ...channel, close: () => closed++ }),
    reconnecting: undefined,
    waiting: { maxWaiting: 1, maxWaitingBytes: 1 },
    time: new FakeTime(),
    random: () => 1,
    watch: undefined,
  });
  assert.equal(await rejection(line.dial(undefined)), ended);
  assert.equal(await line.closed, ended);
  assert.deepEqual([line.state.kind, closed], ["closed", 1]);
});

test("without another connection, what surely was not handled fails, and is not tried for ever", async (t) => {
  const world = new World(t);
  world.serve(() => "ok");
  const client = world.client({ wire: "plain", retry: "unsent", reconnect: false });
  assert.equal(await outcome(client.send("a")), "reply ok");
  const { attempts } = world;
  world.kill();
  assert.equal(await outcome(client.send("b")), "NO_SERVER unsent");
  assert.equal(world.attempts, attempts + 1);
  const lazy = world.client({ retry: "unsent", reconnect: false });
  assert.equal(await outcome(lazy.send("c")), "NO_SERVER unsent");
  assert.equal(world.attempts, attempts + 2);
});

test("without another connection, what a server that closes has not begun fails, and so do subscriptions", async (t) => {
  const world = new World(t);
  const [begun, go] = [new Gate(), new Gate()];
  const server = world.serve(
    async () => {
      begun.open();
      await go.opened;
      return "done";
    },
    { maxInFlight: 1 },
  );
  const client = world.client({ retry: "unsent", reconnect: false });
  const subscription = client.subscribe("a");
  await subscription.ready;
  const [first, second] = [outcome(client.send("a")), outcome(client.send("b"))];
  await begun.opened;
  void server.close(60_000);
  assert.equal(await second, "CONNECTION_CLOSED unsent");
  assert.equal((await rejection(subscription.next())).code, "CONNECTION_CLOSED");
  go.open();
  assert.equal(await first, "reply done");
});

test("after close a signal still ends what has not begun, and a ping", async (t) => {
  const world = new World(t);
  const [begun, go] = [new Gate(), new Gate()];
  let handled = 0;
  world.serve(
    async () => {
      handled++;
      begun.open();
      await go.opened;
      return "done";
    },
    { maxInFlight: 1 },
  );
  const client = world.client();
  const controller = new AbortController();
  const { signal } = controller;
  const first = outcome(client.send("a"));
  await begun.opened;
  const waiting = [1, 2, 3].map(() => outcome(client.send("b", { signal })));
  const stream = outcome(client.send("c", { signal, body: "stream" }));
  const ping = outcome(client.ping({ signal }));
  const closed = client.close();
  controller.abort();
  assert.deepEqual(await Promise.all([...waiting, stream, ping]), Array(5).fill("CANCELLED unsent"));
  go.open();
  assert.equal(await first, "reply done");
  await closed;
  assert.equal(handled, 1);
});

test("a signal that ends what a closing client has begun is told to its handler", async (t) => {
  const world = new World(t);
  const begun = new Gate();
  const left = new Gate();
  world.serve(async (_message, { signal }) => {
    begun.open();
    await aborted(signal);
    left.open();
  });
  const client = world.client();
  const controller = new AbortController();
  const sending = outcome(client.send("a", { signal: controller.signal }));
  await begun.opened;
  const closed = client.close();
  controller.abort();
  assert.equal(await sending, "CANCELLED unknown");
  await left.opened;
  await closed;
});

test("an attempt that was given up for want of messages is no failure of one that comes after", async (t) => {
  const world = new World(t);
  const begun = new Gate();
  const server = world.serve(() => {
    begun.open();
    return new Promise(() => {});
  });
  const client = world.client({ retry: "idempotent", reconnect: { whenIdle: true } });
  const sending = outcome(client.send("a"));
  await begun.opened;
  const gate = new Gate();
  world.gate = () => gate.opened;
  void server.close(60_000);
  world.vanish();
  await becomes(client, "waiting");
  world.time.advance(100);
  assert.equal(client.state.kind, "connecting");
  // Nobody needs that attempt now; then the message comes back from the connection before.
  const closed = client.close();
  world.cut();
  await settle();
  world.serve(() => "new");
  world.gate = undefined;
  gate.open();
  assert.equal(await sending, "reply new");
  await closed;
});

test("sends that share a signal have one listener of it together, and none when they are settled", async (t) => {
  const world = new World(t);
  const gate = new Gate();
  world.serve(() => gate.opened.then(() => "ok"));
  const client = world.client();
  const { signal } = new AbortController();
  const sending = Array.from({ length: 20 }, (_, index) =>
    outcome(client.send("a", { signal, retry: index % 2 === 0 ? false : "unsent" })),
  );
  assert.equal(getEventListeners(signal, "abort").length, 1);
  gate.open();
  assert.deepEqual(await Promise.all(sending), Array(20).fill("reply ok"));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a signal that aborts ends all that have it, and those alone", async (t) => {
  const world = new World(t);
  world.serve((message) => (message.text() === "b" ? "ok" : new Promise(() => {})));
  const client = world.client();
  const [one, other] = [new AbortController(), new AbortController()];
  const settled = outcome(client.send("b", { signal: one.signal }));
  assert.equal(await settled, "reply ok");
  const sending = [1, 2, 3].map(() => outcome(client.send("a", { signal: one.signal })));
  const left = outcome(client.send("a", { signal: other.signal }));
  await settle();
  one.abort();
  assert.deepEqual(await Promise.all(sending), Array(3).fill("CANCELLED unknown"));
  assert.equal(await outcome(client.send("b", { signal: other.signal })), "reply ok");
  assert.equal(await outcome(client.send("b", { signal: one.signal })), "CANCELLED unsent");
  other.abort();
  assert.equal(await left, "CANCELLED unknown");
});

test("a client that is closed just as its connection is made waits for no greeting on it", async (t) => {
  const world = new World(t);
  world.serve(() => "never");
  const client = world.client({ app: tool("1.0", ["1"]) });
  const gone = new Gate();
  const nothing = () => {};
  world.take = (far) => {
    far.start({
      readInto: () => undefined,
      onBytes: nothing,
      onDrain: nothing,
      onEnd: () => gone.open(),
      onClose: () => gone.open(),
    });
    // The second time at once.
    void client.close();
    void client.close();
  };
  assert.equal(await outcome(client.send("a")), "CONNECTION_CLOSED unsent");
  await gone.opened;
});
