import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Child, until } from "../support/children.js";
import { connect, outcome, rejection, socketPath } from "./support.js";

async function startServer(t: TestContext, address: string, handler: string, options = {}): Promise<Child> {
  const server = await Child.start(t, "peer-server");
  await server.call("listen", { address, handler, options });
  return server;
}

test("when the server is killed, 1,000 pending sends reject within a second, and the client's process ends", async (t) => {
  const address = socketPath(t);
  const server = await startServer(t, address, "never", { maxInFlight: 600 });
  const client = await Child.start(t, "peer-client", [address, "framed", "1000"]);
  await until(async () => (await server.call("handled")) === 600, "600 messages to be handled");
  assert.equal(client.said.length, 1);
  const killedAt = performance.now();
  await server.kill();
  await until(() => client.said.length === 2, "every send to be settled", 1_000);
  assert.ok(performance.now() - killedAt < 1_000);
  const { outcomes } = client.said[1] as { outcomes: Record<string, number> };
  // What the client had put on the wire may have been handled; what waited for a place has surely not.
  const { "CONNECTION_LOST unknown": unknown = 0, "CONNECTION_LOST unsent": unsent = 0 } = outcomes;
  assert.deepEqual([unknown + unsent, Object.keys(outcomes).length], [1_000, 2], JSON.stringify(outcomes));
  assert.ok(unknown >= 600 && unsent > 0, JSON.stringify(outcomes));
  assert.deepEqual(await client.ended, { code: 0, signal: null });
});

test("so do plain ones, which have a connection each", async (t) => {
  const address = socketPath(t);
  const server = await startServer(t, address, "never");
  const client = await Child.start(t, "peer-client", [address, "plain", "300"]);
  await until(async () => (await server.call("handled")) === 300, "300 messages to be handled");
  await server.kill();
  await until(() => client.said.length === 2, "every send to be settled", 1_000);
  // The plain wire cannot tell a server that is killed from one that has nothing to reply: see PROTOCOL.md.
  const { outcomes } = client.said[1] as { outcomes: Record<string, number> };
  assert.equal(
    Object.values(outcomes).reduce((sum, count) => sum + count, 0),
    300,
  );
  assert.deepEqual(await client.ended, { code: 0, signal: null });
});

test("a client with one connection only says what happened to it, once and for all, and a new one reaches the next server", async (t) => {
  const address = socketPath(t);
  const server = await startServer(t, address, "never");
  const client = await connect(t, { address }, { reconnect: false });
  const sending = rejection(client.send("a"));
  await until(async () => (await server.call("handled")) === 1, "the message to be handled");
  await server.kill();
  const error = await sending;
  assert.deepEqual([error.code, error.delivery, error.op], ["CONNECTION_LOST", "unknown", "send"]);
  assert.equal(error.message, `Cannot send to "unix:${address}": the other side has closed the connection`);
  assert.equal((await client.closed)?.code, "CONNECTION_LOST");
  assert.equal(await outcome(client.send("b")), "CONNECTION_LOST unsent");
  assert.equal(await outcome(client.ping()), "CONNECTION_LOST unsent");
  await client.close();
  assert.equal((await rejection(connect(t, { address }))).code, "NO_SERVER");
  await startServer(t, address, "echo");
  assert.equal(await outcome((await connect(t, { address })).send("c")), "reply c");
});

test("a server that is killed in the middle of a large message, in either direction: CONNECTION_LOST", async (t) => {
  for (const handler of ["echo", "never"]) {
    const address = socketPath(t);
    const server = await startServer(t, address, handler);
    const client = await connect(t, { address });
    await client.ping();
    const sending = Array.from({ length: 4 }, () => outcome(client.send(Buffer.alloc(30_000_000))));
    await new Promise((resolve) => setImmediate(resolve));
    await server.kill();
    const outcomes = await Promise.all(sending);
    assert.ok(
      outcomes.every((text) => text.startsWith("CONNECTION_LOST")),
      String(outcomes),
    );
    assert.equal(outcomes[0], "CONNECTION_LOST unknown");
  }
});

test("a client that is killed with 1,000 sends pending leaves the server as it was", async (t) => {
  const address = socketPath(t);
  const server = await startServer(t, address, "never");
  const before = Number(await server.call("descriptors"));
  const client = await Child.start(t, "peer-client", [address, "framed", "1000"]);
  await until(async () => (await server.call("handled")) === 1_000, "all messages to be handled");
  await client.kill();
  await until(async () => (await server.call("connections")) === 0, "the connection to be gone");
  assert.equal(await server.call("descriptors"), before);
  assert.deepEqual(await server.call("problems"), []);
});
