import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, Gate, outcome, rejection, serve } from "../peer/support.js";
import { until } from "../support/children.js";
import { MemoryLogger } from "../support/logger.js";
import { open, openInPieces, Raw } from "../support/raw.js";

test("maxConnections: so many are served, the next one is told OVERLOADED and why, until one has gone", async (t) => {
  let handled = 0;
  const logger = new MemoryLogger();
  const server = await serve(t, () => String(++handled), { maxConnections: 3, logger });
  const clients = await Promise.all([1, 2, 3].map(() => connect(t, server)));
  for (const client of clients) await client.send("a");
  assert.equal(server.connectionCount, 3);
  const over = await connect(t, server, { reconnect: false });
  const error = await rejection(over.send("b"));
  assert.deepEqual([error.code, error.delivery], ["OVERLOADED", "unsent"]);
  assert.match(error.message, /the server has all the 3 connections that it takes; try again later/);
  assert.equal((await over.closed)?.code, "OVERLOADED");
  assert.deepEqual(
    logger.at().map(({ level, text }) => [level, text]),
    [["warn", "refused a connection: there are 3 already (maxConnections)"]],
  );
  assert.equal(handled, 3);
  await clients[0]?.close();
  await until(() => server.connectionCount === 2, "the first client to be gone");
  assert.equal(await outcome((await connect(t, server)).send("c")), "reply 4");
});

test("maxConnections: a ping is told OVERLOADED, too", async (t) => {
  const server = await serve(t, () => "ok", { maxConnections: 1 });
  await (await connect(t, server)).send("a");
  assert.equal(await outcome((await connect(t, server)).ping()), "OVERLOADED unsent");
});

test("maxConnections: a plain caller over the limit is cut without a reply, and its message is not handled", async (t) => {
  const [begun, go] = [new Gate(), new Gate()];
  const texts: string[] = [];
  const server = await serve(
    t,
    async (message) => {
      texts.push(message.text());
      begun.open();
      await go.opened;
      return "stored";
    },
    { maxConnections: 1 },
  );
  const first = await Raw.connect(t, server.address);
  first.write("first").socket.end();
  await begun.opened;
  const second = await Raw.connect(t, server.address);
  second.write("second").socket.end();
  await second.closed;
  go.open();
  await first.closed;
  assert.deepEqual([first.received.toString(), second.received.length, texts], ["stored", 0, ["first"]]);
});

test("maxConnections: hundreds over the limit cost no more than a few, and the others are served", async (t) => {
  const server = await serve(t, (message) => message.bytes, { maxConnections: 2 });
  const good = await connect(t, server);
  await good.send("a");
  await (await connect(t, server)).send("a");
  // They never greet, so that they cannot be told.
  const silent = await Promise.all(Array.from({ length: 300 }, () => Raw.connect(t, server.address)));
  const cut = silent.slice(64).map((raw) => raw.ended);
  await Promise.all(cut);
  assert.equal(server.connectionCount, 2);
  assert.equal(await outcome(good.send("b")), "reply b");
});

for (const maxInFlight of [1, 5]) {
  test(`maxInFlight: ${maxInFlight} of a connection's messages are handled at a time, the next wait, all are answered`, async (t) => {
    let [running, most] = [0, 0];
    const server = await serve(
      t,
      async (message) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return message.bytes;
      },
      { maxInFlight },
    );
    const raw = await Raw.greeted(t, server.address);
    // Without regard to what the server said it takes.
    raw.write(...Array.from({ length: 300 }, (_, index) => open(index * 2 + 1, String(index))));
    await raw.hears((lines) => lines.filter((line) => line.startsWith("DATA")).length === 300);
    assert.equal(most, maxInFlight);
    const client = await connect(t, server);
    const outcomes = await Promise.all(Array.from({ length: 300 }, (_, index) => outcome(client.send(String(index)))));
    assert.deepEqual(
      outcomes,
      outcomes.map((_, index) => `reply ${index}`),
    );
    assert.equal(most, maxInFlight);
  });
}

test("maxInFlight counts for each connection alone", async (t) => {
  const go = new Gate();
  let running = 0;
  const server = await serve(
    t,
    async () => {
      running++;
      await go.opened;
    },
    { maxInFlight: 2 },
  );
  const clients = await Promise.all([1, 2, 3].map(() => connect(t, server)));
  const sending = clients.flatMap((client) => Array.from({ length: 4 }, () => outcome(client.send("a"))));
  await until(() => running === 6, "two handlers of each");
  await Promise.all(clients.map((client) => client.ping()));
  assert.equal(running, 6);
  go.open();
  assert.deepEqual(new Set(await Promise.all(sending)), new Set(["reply "]));
});

test("a connection that sends on while nothing is handled is not read for ever", async (t) => {
  const server = await serve(t, () => new Promise<undefined>(() => {}), { maxInFlight: 1 });
  const raw = await Raw.greeted(t, server.address);
  const body = Buffer.alloc(60_000);
  let id = 1;
  let bytes = 0;
  // Writes for as long as the other side reads.
  while (raw.socket.writableLength < 1_000_000) {
    bytes += body.length;
    raw.write(open(id, body));
    id += 2;
    if (raw.socket.writableLength > 0) await turns(20);
  }
  assert.ok(bytes - raw.socket.writableLength < 20_000_000, `${bytes} bytes were taken`);
  const other = await connect(t, server);
  assert.ok((await other.ping()).roundTripMs < 5_000);
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("more unfinished messages at once than maxInFlight and 64 are a violation, so many are not", async (t) => {
  const server = await serve(t, (message) => String(message.byteLength), { maxInFlight: 4 });
  const begin = (count: number) =>
    Array.from({ length: count }, (_, index) => openInPieces(index * 2 + 1, [10, 10]).subarray(0, 26));
  const good = await Raw.greeted(t, server.address);
  good.write(...begin(68));
  good.write(openInPieces(1, [10, 10]).subarray(26));
  await good.hears((lines) => lines.includes('DATA+END 1 "20"'));
  const bad = await Raw.greeted(t, server.address);
  bad.write(...begin(70));
  await bad.ended;
  assert.match(bad.frames.at(-1) ?? "", /^GOAWAY \d+ VIOLATION$/);
});
