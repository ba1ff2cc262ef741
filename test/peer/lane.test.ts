import assert from "node:assert/strict";
import { test } from "node:test";
import { type DialOptions, EarshotError, type ListenOptions, listen } from "../../src/index.js";
import { chooseLane } from "../../src/transport/kind.js";
import { pattern } from "../support/bytes.js";
import { Child, until } from "../support/children.js";
import { CAN_SHARE, mappingsOf, socketsOf } from "../support/shared.js";
import { requireRoot, require as requires } from "../support/tools.js";
import { connect, cut, outcome, rejection, serve, socketPath } from "./support.js";

test("with lane: shared, on either side, everything goes through shared memory from the first message on", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  for (const [listening, dialing] of [
    ["shared", "auto"],
    ["auto", "shared"],
  ] as const) {
    const before = [mappingsOf(), socketsOf()];
    const server = await serve(t, (message) => message.bytes, { lane: listening });
    const client = await connect(t, server, { lane: dialing });
    // The second answer comes when both have changed.
    for (let pings = 0; pings < 2; pings++) await client.ping();
    assert.equal(mappingsOf(), before[0]! + 2);
    const large = pattern(3_000_000);
    assert.equal(Buffer.from((await client.send(large)).bytes).equals(large), true);
    assert.equal((await client.send("hello")).text(), "hello");
    await client.close();
    await cut(server);
    await until(() => mappingsOf() === before[0] && socketsOf() <= (before[1] ?? 0), "nothing of it to be left");
  }
});

test("a connection that is worth it goes through shared memory, one that is not does not", async (t) => {
  if (!requires(t, CAN_SHARE && chooseLane(undefined) === "auto", "there is no choice")) return;
  const before = mappingsOf();
  const server = await serve(t, (message) => message.byteLength.toString(), { lane: "auto" });
  const quiet = await connect(t, server);
  for (let count = 0; count < 10; count++) await quiet.send("a few");
  assert.equal(mappingsOf(), before);
  const busy = await connect(t, server);
  for (let count = 0; count < 100; count++) assert.equal((await busy.send("hello")).text(), "5");
  assert.equal(mappingsOf(), before + 2);
  const large = await connect(t, server);
  await large.send(Buffer.alloc(2_000_000));
  for (let pings = 0; pings < 2; pings++) await large.ping();
  assert.equal(mappingsOf(), before + 4);
});

test("where one side does not want it, or cannot, all goes over the socket", async (t) => {
  const cases: readonly (readonly [string, ListenOptions, DialOptions])[] = [
    ["the server says so", { lane: "socket" }, { lane: "shared" }],
    ["the client says so", { lane: "shared" }, { lane: "socket" }],
    ["the server is over node:net", { lane: "shared", transport: "net" }, { lane: "shared" }],
    ["the client is over node:net", { lane: "shared" }, { lane: "shared", transport: "net" }],
    ["the wire is plain", { lane: "shared" }, { lane: "shared", wire: "plain" }],
    ["the rings would be too many", { lane: "shared", shared: { maxBytes: 65_536 } }, { lane: "shared" }],
  ];
  for (const [why, listening, dialing] of cases) {
    const before = mappingsOf();
    const server = await serve(t, (message) => message.bytes, listening);
    const client = await connect(t, server, dialing);
    for (let count = 0; count < 100; count++) assert.equal((await client.send("hello")).text(), "hello");
    assert.equal(mappingsOf(), before, why);
    await cut(client);
    await cut(server);
  }
});

test("all connections of a server share no more than shared.maxBytes", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const before = mappingsOf();
  const shared = { ringBytes: 65_536, maxBytes: 2 * (2 * 65_536 + 65_536) };
  const server = await serve(t, (message) => message.bytes, { lane: "shared", shared });
  const clients = [];
  for (let count = 0; count < 4; count++) {
    const client = await connect(t, server);
    clients.push(client);
    for (let pings = 0; pings < 2; pings++) await client.ping();
    assert.equal(mappingsOf(), before + 2 * Math.min(2, count + 1));
  }
  await clients[0]?.close();
  await until(() => mappingsOf() === before + 2, "the first to be gone");
  // What it had is there for the next to ask.
  await clients[3]?.ping();
  await clients[3]?.ping();
  assert.equal(mappingsOf(), before + 4);
});

test("another user's connection goes over its socket", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory") || !requireRoot(t)) return;
  const before = mappingsOf();
  const directory = await listen(socketPath(t), () => undefined);
  await cut(directory);
  const server = await listen(`unix:@earshot-lane-${process.pid}`, (message) => message.bytes, {
    lane: "shared",
    allow: () => true,
  });
  t.after(() => cut(server));
  const child = await Child.start(t, "user-client");
  await child.call("become", { uid: 12_345, gid: 12_345, groups: [] });
  const answer = await child.call("send", { address: server.address, options: { lane: "shared" } });
  assert.equal(answer, "reply hello");
  assert.equal(mappingsOf(), before);
});

test("wrong options are refused, and named", async (t) => {
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ lane: "ring" }, /lane: "ring"; it is one of auto, socket, shared/],
    [{ shared: 5 }, /shared: 5; it is an object with ringBytes and maxBytes/],
    [{ shared: { ringBytes: 100_000 } }, /ringBytes: 100000; it is a power of two from 65536 to 67108864/],
    [{ shared: { ringBytes: 32_768 } }, /ringBytes: 32768/],
    [{ shared: { maxBytes: -1 } }, /maxBytes: -1/],
  ];
  for (const [options, text] of wrong) {
    const error = await rejection(listen(socketPath(t), () => undefined, options as ListenOptions));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, text);
  }
  const server = await serve(t, () => undefined);
  const client = connect(t, server, { lane: "ring" as "shared" });
  assert.equal((await rejection(client)) instanceof EarshotError, true);
});

test("what is under way when a connection ends is settled as over a socket", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const server = await serve(t, () => new Promise<undefined>(() => {}), { lane: "shared" });
  const client = await connect(t, server);
  for (let pings = 0; pings < 2; pings++) await client.ping();
  const pending = [client.send("x"), client.send(Buffer.alloc(4_000_000))].map(outcome);
  await client.ping();
  await cut(server);
  assert.deepEqual(await Promise.all(pending), ["CONNECTION_LOST unknown", "CONNECTION_LOST unknown"]);
});

test("who does nothing but send still has its timers and everything else", { timeout: 60_000 }, async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const address = socketPath(t);
  const child = await Child.start(t, "peer-server");
  await child.call("listen", { address, handler: "echo", options: { lane: "shared" } });
  const client = await connect(t, { address });
  let isOver = false;
  let sent = 0;
  const sending = (async () => {
    for (; !isOver; sent++) await client.send("again");
  })();
  const late: number[] = [];
  for (let count = 0; count < 30; count++) {
    const due = performance.now() + 10;
    await new Promise((resolve) => setTimeout(resolve, 10));
    late.push(performance.now() - due);
    // Answers of other processes come in as well, and immediates.
    if (count % 10 === 0) await child.call("handled");
    await new Promise((resolve) => setImmediate(resolve));
  }
  isOver = true;
  await sending;
  late.sort((one, other) => one - other);
  assert.ok(sent > 30, `${sent} messages`);
  assert.ok((late[15] ?? Infinity) < 5, `timers are ${late[15]} ms late, in the median`);
});
