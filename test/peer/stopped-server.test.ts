import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { Child, until } from "../support/children.js";
import { connect, outcome, rejection, socketPath, WIRES, type Wire } from "./support.js";

/** A server process that stands still: the kernel accepts for it, and takes bytes until the socket is full. */
async function stopped(t: Parameters<typeof connect>[0], handler = "echo", options: object = {}) {
  const address = socketPath(t);
  const child = await Child.start(t, "peer-server");
  await child.call("listen", { address, handler, options });
  return { child, address };
}

for (const wire of WIRES) {
  test(`${wire}: a deadline frees a send that waits because the server does not read`, async (t) => {
    const { child, address } = await stopped(t);
    const client = await connect(t, { address }, { wire });
    if (wire === "framed") await client.ping();
    await child.freeze();
    const startedAt = performance.now();
    const large = outcome(client.send(pattern(8_000_000), { timeoutMs: 150 }));
    // Until the system's buffers are full, which may grow for a large message.
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    const small = outcome(client.send("small", { timeoutMs: 100 }));
    assert.equal(await small, { framed: "TIMEOUT unsent", plain: "TIMEOUT unknown" }[wire as Wire]);
    assert.equal(await large, "TIMEOUT unknown");
    assert.ok(performance.now() - startedAt < 2_000);
    child.thaw();
    assert.equal(await outcome(client.send("after")), "reply after");
  });

  test(`${wire}: a signal frees it as well`, async (t) => {
    const { child, address } = await stopped(t);
    const client = await connect(t, { address }, { wire });
    if (wire === "framed") await client.ping();
    await child.freeze();
    const controller = new AbortController();
    const sending = outcome(client.send(pattern(8_000_000), { signal: controller.signal }));
    setTimeout(() => controller.abort(), 30);
    assert.equal(await sending, "CANCELLED unknown");
    child.thaw();
    assert.equal(await outcome(client.send("after")), "reply after");
  });

  test(`${wire}: closing with a short grace frees everything that waits`, async (t) => {
    const { child, address } = await stopped(t);
    const client = await connect(t, { address }, { wire });
    await child.freeze();
    const sending = [8_000_000, 10, 1_000].map((length) => outcome(client.send(pattern(length))));
    await client.close({ graceMs: 50 });
    for (const text of await Promise.all(sending)) assert.match(text, /^CONNECTION_CLOSED (unsent|unknown)$/);
  });
}

test("thousands of deadlines pass while the server stands still, and none is forgotten", async (t) => {
  const { child, address } = await stopped(t);
  const client = await connect(t, { address });
  await client.ping();
  await child.freeze();
  const body = pattern(2_000);
  const sending = Array.from({ length: 3_000 }, (_, index) =>
    outcome(client.send(body, { timeoutMs: 50 + (index % 100) })),
  );
  const outcomes = await Promise.all(sending);
  assert.deepEqual([...new Set(outcomes)].sort(), ["TIMEOUT unknown", "TIMEOUT unsent"]);
  child.thaw();
  assert.equal(await outcome(client.send("after")), "reply after");
});

test("a message that was given up while half of it was out does not spoil the next", async (t) => {
  const { child, address } = await stopped(t, "count");
  const client = await connect(t, { address });
  await client.ping();
  await child.freeze();
  const given = Array.from({ length: 5 }, (_, index) =>
    outcome(client.send(pattern(2_000_000 + index), { timeoutMs: 60 })),
  );
  const kept = outcome(client.send(pattern(3_000_000)));
  await Promise.all(given);
  child.thaw();
  assert.equal(await kept, "reply 3000000");
  assert.equal(await child.call("handled"), 1);
});

test("a full queue of connections: dial waits for its time, says OVERLOADED, and gets in when there is room", async (t) => {
  const { child, address } = await stopped(t, "echo", { backlog: 2 });
  await child.freeze();
  const first = await Promise.all([1, 2, 3].map(() => connect(t, { address })));
  const startedAt = performance.now();
  const error = await rejection(connect(t, { address }, { connectTimeoutMs: 150 }));
  assert.equal(error.code, "OVERLOADED");
  assert.match(error.message, /the server's queue of new connections is full \(EAGAIN\)$/);
  assert.ok(performance.now() - startedAt < 1_000);
  const controller = new AbortController();
  const given = rejection(connect(t, { address }, { signal: controller.signal }));
  const late = connect(t, { address });
  controller.abort("enough");
  assert.equal((await given).code, "CANCELLED");
  child.thaw();
  assert.equal(await outcome((await late).send("late")), "reply late");
  assert.deepEqual(
    await Promise.all(first.map((client) => outcome(client.send("first")))),
    Array(3).fill("reply first"),
  );
});

test("a plain send that waits for its own connection keeps its deadline and its signal, and is unsent", async (t) => {
  const { child, address } = await stopped(t, "echo", { backlog: 1 });
  const client = await connect(t, { address }, { wire: "plain" });
  assert.equal(await outcome(client.send("first")), "reply first");
  await child.freeze();
  await Promise.all([1, 2].map(() => connect(t, { address })));
  const startedAt = performance.now();
  const controller = new AbortController();
  const cancelled = outcome(client.send("a", { signal: controller.signal }));
  assert.equal(await outcome(client.send("b", { timeoutMs: 100 })), "TIMEOUT unsent");
  assert.ok(performance.now() - startedAt < 1_000);
  controller.abort();
  assert.equal(await cancelled, "CANCELLED unsent");
  const waiting = outcome(client.send("c"));
  child.thaw();
  assert.equal(await waiting, "reply c");
});

test("connections that the kernel had accepted when the server closed are served", async (t) => {
  const { child, address } = await stopped(t, "keep");
  await child.freeze();
  const clients = await Promise.all(
    Array.from({ length: 60 }, (_, index) => connect(t, { address }, { wire: index % 2 ? "plain" : "framed" })),
  );
  const sending = clients.map((client, index) => outcome(client.send(`message ${index}`)));
  await new Promise((resolve) => setImmediate(resolve));
  const closing = child.call("close");
  child.thaw();
  assert.deepEqual(await Promise.all(sending), Array(60).fill("reply "));
  await Promise.all(clients.map((client) => client.close()));
  await closing;
  const texts = (await child.call("texts")) as string[];
  assert.equal(new Set(texts).size, 60);
});

test("a server that stands still for a while and goes on loses nothing", async (t) => {
  const { child, address } = await stopped(t);
  const clients = await Promise.all([1, 2, 3, 4].map(() => connect(t, { address })));
  const bodies = [pattern(10), pattern(50_000), pattern(5_000_000)];
  await child.freeze();
  const sending = clients.flatMap((client) => bodies.map((body) => client.send(body)));
  await new Promise((resolve) => setImmediate(resolve));
  child.thaw();
  const replies = await Promise.all(sending);
  for (const [index, reply] of replies.entries()) assert.ok(bodies[index % 3]!.equals(reply.bytes));
  await until(async () => (await child.call("handled")) === 12, "all messages to be handled");
});
