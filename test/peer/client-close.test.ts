import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, dial } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import { until } from "../support/children.js";
import { MemoryLogger } from "../support/logger.js";
import { aborted, connect, Gate, outcome, rejection, serve, WIRES } from "./support.js";

for (const wire of WIRES) {
  test(`${wire}: close right after many sends loses none of them`, async (t) => {
    const texts = new Set<string>();
    const server = await serve(t, (message) => {
      texts.add(message.text());
      return message.bytes;
    });
    const client = await connect(t, server, { wire });
    const sending = Array.from({ length: 100 }, (_, index) => outcome(client.send(`message ${index}`)));
    const large = outcome(client.send(pattern(3_000_000)));
    await client.close();
    const expected = sending.map((_, index) => `reply message ${index}`);
    assert.deepEqual(await Promise.all(sending), expected);
    assert.equal(await large, "reply of 3000000");
    assert.equal(texts.size, 101);
  });

  test(`${wire}: a closed client takes nothing more, and says so as "unsent"`, async (t) => {
    const server = await serve(t, () => "ok");
    const client = await connect(t, server, { wire });
    await client.send("a");
    const closing = client.close();
    assert.equal(await outcome(client.send("while closing")), "CONNECTION_CLOSED unsent");
    await closing;
    const error = await rejection(client.send("after"));
    assert.deepEqual([error.code, error.delivery, error.op], ["CONNECTION_CLOSED", "unsent", "send"]);
    assert.equal(error.message, `Cannot send to "${server.address}": the client is closed`);
    await client.close();
    assert.equal((await client.closed)?.code, "CONNECTION_CLOSED");
  });

  test(`${wire}: close waits for its grace, then rejects what is left`, async (t) => {
    const begun = new Gate();
    const server = await serve(t, (_, { signal }) => {
      begun.open();
      return aborted(signal).then(() => undefined);
    });
    const client = await connect(t, server, { wire });
    const sending = rejection(client.send("a"));
    await begun.opened;
    const startedAt = performance.now();
    await client.close({ graceMs: 60 });
    assert.ok(performance.now() - startedAt >= 59);
    const error = await sending;
    assert.deepEqual([error.code, error.delivery], ["CONNECTION_CLOSED", "unknown"]);
  });

  test(`${wire}: a second close waits for nothing`, async (t) => {
    const begun = new Gate();
    const server = await serve(t, (_, { signal }) => {
      begun.open();
      return aborted(signal).then(() => undefined);
    });
    const client = await connect(t, server, { wire });
    const sending = outcome(client.send("a"));
    await begun.opened;
    const closing = client.close({ graceMs: Infinity });
    await Promise.all([client.close(), closing]);
    assert.equal(await sending, "CONNECTION_CLOSED unknown");
  });

  test(`${wire}: a client that never sent closes, and await using closes too`, async (t) => {
    const server = await serve(t, () => "ok");
    const client = await connect(t, server, { wire });
    await client.close();
    let used: Client | undefined;
    {
      await using inner = await dial(server.address, { wire });
      used = inner;
      assert.equal(await outcome(inner.send("a")), "reply ok");
    }
    assert.equal(await outcome(used.send("b")), "CONNECTION_CLOSED unsent");
    await server.close();
  });

  test(`${wire}: a grace longer than any timer is a long grace`, async (t) => {
    const [begun, go] = [new Gate(), new Gate()];
    const server = await serve(t, async () => {
      begun.open();
      await go.opened;
      return "ok";
    });
    const client = await connect(t, server, { wire });
    const sending = outcome(client.send("a"));
    await begun.opened;
    const closing = client.close({ graceMs: 2 ** 31 });
    setTimeout(go.open, 30);
    await closing;
    assert.equal(await sending, "reply ok");
  });
}

test("the handler's signal aborts when the client is cut", async (t) => {
  const [begun, told] = [new Gate(), new Gate()];
  const server = await serve(t, async (_, { signal }) => {
    begun.open();
    await aborted(signal);
    told.open();
  });
  const client = await connect(t, server);
  const sending = outcome(client.send("a"));
  await begun.opened;
  await client.close({ graceMs: 0 });
  await told.opened;
  assert.equal(await sending, "CONNECTION_CLOSED unknown");
});

test("close lets a ping finish", async (t) => {
  const client = await connect(t, await serve(t, () => "ok"));
  const pinging = client.ping();
  await client.close();
  assert.ok((await pinging).roundTripMs > 0);
});

test("a plain client that waited for long after dialing still sends", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, () => "ok", { handshakeTimeoutMs: 30, logger });
  const client = await connect(t, server, { wire: "plain" });
  await until(() => logger.at().length === 1, "the server to have had enough of the connection");
  assert.equal(logger.at()[0]?.error?.code, "TIMEOUT");
  assert.equal(await outcome(client.send("a")), "reply ok");
});

test("a grace that is no time is refused", async (t) => {
  const server = await serve(t, () => "ok");
  const client = await connect(t, server);
  for (const graceMs of [-1, Number.NaN, "5", null, {}]) {
    for (const owner of [client, server]) {
      const error = await rejection((async () => owner.close({ graceMs: graceMs as never }))());
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.match(error.message, /^Cannot use graceMs: /);
    }
  }
  assert.equal(await outcome(client.send("still open")), "reply ok");
});
