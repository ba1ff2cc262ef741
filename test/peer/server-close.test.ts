import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { listen, type Server } from "../../src/index.js";
import { Child } from "../support/children.js";
import { Raw } from "../support/raw.js";
import { aborted, connect, Gate, outcome, rejection, serve, socketPath, WIRES } from "./support.js";

for (const wire of WIRES) {
  test(`${wire}: close lets the handlers in flight finish, and their replies arrive`, async (t) => {
    const [begun, go] = [new Gate(), new Gate()];
    let running = 0;
    const server = await serve(t, async (message) => {
      if (++running === 20) begun.open();
      await go.opened;
      return message.bytes;
    });
    const client = await connect(t, server, { wire });
    const sending = Array.from({ length: 20 }, (_, index) => outcome(client.send(`message ${index}`)));
    await begun.opened;
    const closing = server.close();
    let isClosed = false;
    void server.closed.then(() => {
      isClosed = true;
    });
    await rejection(connect(t, server, { wire }));
    assert.equal(isClosed, false);
    go.open();
    assert.deepEqual(
      await Promise.all(sending),
      sending.map((_, index) => `reply message ${index}`),
    );
    await client.close();
    await closing;
    assert.equal(server.connectionCount, 0);
  });

  test(`${wire}: when the grace is over, handlers' signals abort and their callers get an error`, async (t) => {
    const begun = new Gate();
    const reasons: unknown[] = [];
    const server = await serve(t, async (_, { signal }) => {
      begun.open();
      reasons.push(await aborted(signal));
      return "too late";
    });
    const client = await connect(t, server, { wire });
    const sending = client.send("a");
    await begun.opened;
    const startedAt = performance.now();
    const settled = Promise.allSettled([sending]);
    await server.close({ graceMs: 60 });
    assert.ok(performance.now() - startedAt >= 59);
    assert.match(String(reasons[0]), /the server has closed/);
    // The plain wire has no word for failure: see PROTOCOL.md.
    if (wire === "plain") await settled;
    else assert.equal(await outcome(sending), "CONNECTION_LOST unknown");
  });

  test(`${wire}: a second close waits for nothing`, async (t) => {
    const begun = new Gate();
    const server = await serve(t, async (_, { signal }) => {
      begun.open();
      await aborted(signal);
    });
    const client = await connect(t, server, { wire });
    const settled = Promise.allSettled([client.send("a")]);
    await begun.opened;
    const closing = server.close({ graceMs: Infinity });
    await Promise.all([server.close(), closing, server.closed, settled]);
  });
}

test("close stops accepting, removes the file, and is done at once when nothing is in flight", async (t) => {
  const server = await serve(t, () => "ok");
  const path = server.address.slice("unix:".length);
  const idle = await connect(t, server, { reconnect: false });
  await idle.send("a");
  const never = await connect(t, server, { reconnect: false });
  assert.ok(existsSync(path));
  const startedAt = performance.now();
  await server.close();
  assert.ok(performance.now() - startedAt < 1_000);
  assert.deepEqual(readdirSync(dirname(path)), []);
  assert.equal((await rejection(connect(t, server))).code, "NO_SERVER");
  assert.equal((await idle.closed)?.code, "CONNECTION_CLOSED");
  assert.ok((await never.closed) !== undefined);
});

test("while a server closes, new messages of its clients are refused as CONNECTION_CLOSED and unsent", async (t) => {
  const [begun, go] = [new Gate(), new Gate()];
  let handled = 0;
  const server = await serve(t, async (message) => {
    handled++;
    if (message.text() === "new") return undefined;
    begun.open();
    await go.opened;
    return "done";
  });
  const client = await connect(t, server, { reconnect: false });
  const slow = outcome(client.send("slow"));
  await begun.opened;
  const closing = server.close();
  const outcomes: string[] = [];
  // The first ones may come before the server has said that it closes.
  while (!outcomes.at(-1)?.startsWith("CONNECTION")) outcomes.push(await outcome(client.send("new")));
  assert.equal(outcomes.at(-1), "CONNECTION_CLOSED unsent");
  assert.equal(handled, outcomes.length);
  for (let count = 0; count < 20; count++) {
    assert.equal(await outcome(client.send("new")), "CONNECTION_CLOSED unsent");
  }
  go.open();
  assert.equal(await slow, "reply done");
  await closing;
  assert.equal(handled, outcomes.length);
  const error = await client.closed;
  assert.deepEqual([error?.code, error?.message], ["CONNECTION_CLOSED", "the server is closing"]);
});

test("a message that is half there when the server closes may finish, or its grace ends it", async (t) => {
  const texts: string[] = [];
  const server = await serve(t, (message) => void texts.push(message.text()));
  const [finishes, stays] = [await Raw.connect(t, server.address), await Raw.connect(t, server.address)];
  finishes.write("first ");
  stays.write("never ");
  while (server.connectionCount < 2) await new Promise((resolve) => setImmediate(resolve));
  const other = await connect(t, server, { reconnect: false });
  await other.ping();
  const closing = server.close({ graceMs: 150 });
  await other.closed;
  finishes.write("second").socket.end();
  await finishes.ended;
  await closing;
  assert.deepEqual(texts, ["first second"]);
  await stays.ended;
});

test("everything that waits for the end of a server is told: closed, close, dispose, and signals", async (t) => {
  const path = socketPath(t);
  let used: Server | undefined;
  {
    await using server = await listen(path, () => "ok");
    used = server;
    assert.equal(await outcome((await connect(t, server)).send("a")), "reply ok");
  }
  await used.closed;
  await used.close();
  const controller = new AbortController();
  const again = await listen(path, () => "ok", { signal: controller.signal });
  const client = await connect(t, again, { reconnect: false });
  await client.send("a");
  controller.abort();
  await again.closed;
  assert.equal((await client.closed)?.code, "CONNECTION_CLOSED");
  assert.deepEqual(readdirSync(dirname(path)), []);
});

test("listen with a signal that aborted before takes nothing", async (t) => {
  const path = socketPath(t);
  const error = await rejection(listen(path, () => "ok", { signal: AbortSignal.abort("no") }));
  assert.deepEqual([error.code, error.op, error.cause], ["CANCELLED", "listen", "no"]);
  const controller = new AbortController();
  const listening = listen(path, () => "ok", { signal: controller.signal });
  controller.abort();
  await listening.then(
    (server) => server.closed,
    (reason) => assert.equal(reason.code, "CANCELLED"),
  );
  assert.deepEqual(readdirSync(dirname(path)), []);
});

test("dial with a signal that aborted before connects to nothing", async (t) => {
  const server = await serve(t, () => "ok");
  const error = await rejection(connect(t, server, { signal: AbortSignal.abort("no") }));
  assert.deepEqual([error.code, error.op, error.cause], ["CANCELLED", "dial", "no"]);
  const controller = new AbortController();
  const client = await connect(t, server, { signal: controller.signal });
  controller.abort();
  assert.equal(await outcome(client.send("a")), "reply ok");
});

test("a server without grace also cuts those that the kernel hands over while it closes", async (t) => {
  const address = socketPath(t);
  const child = await Child.start(t, "peer-server");
  await child.call("listen", { address, handler: "never" });
  await child.freeze();
  const clients = await Promise.all(Array.from({ length: 30 }, () => connect(t, { address })));
  const sending = clients.map((client) => outcome(client.send("a")));
  await new Promise((resolve) => setImmediate(resolve));
  const closing = child.call("close", { graceMs: 0 });
  child.thaw();
  for (const text of await Promise.all(sending)) assert.match(text, /^CONNECTION_(LOST|CLOSED) (unknown|unsent)$/);
  await closing;
});

test("a handler may close its own server", async (t) => {
  const server: Server = await serve(t, () => {
    void server.close();
    return "closing";
  });
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("close")), "reply closing");
  await server.closed;
});

test("the same address can be taken again and again, right after each close", async (t) => {
  const path = socketPath(t);
  for (let round = 0; round < 20; round++) {
    await using server = await listen(path, () => String(round));
    const client = await connect(t, server);
    assert.equal(await outcome(client.send("which?")), `reply ${round}`);
  }
});
