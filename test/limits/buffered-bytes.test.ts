import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, outcome, serve } from "../peer/support.js";
import { pattern } from "../support/bytes.js";
import { until } from "../support/children.js";
import { MemoryLogger } from "../support/logger.js";
import { END, frame, greeting, open, openInPieces, Raw, TYPE } from "../support/raw.js";

const MAX = 2_097_152;
const KIB = 1_024;

/** A client that begins a message of two pieces and stops after the first. */
async function stall(t: Parameters<typeof connect>[0], address: string, bytes: number): Promise<Raw> {
  const raw = await Raw.greeted(t, address);
  const pieces = Array(Math.ceil(bytes / 200_000)).fill(Math.floor(bytes / Math.ceil(bytes / 200_000)));
  const message = openInPieces(1, [...pieces, 100]);
  raw.write(message.subarray(0, message.length - 116));
  await raw.write(pingFrame).hears((lines) => lines.some((line) => line.startsWith("PONG")));
  return raw;
}

const pingFrame = frame(TYPE.PING, 0, 0, "abcdefgh");

test("maxBufferedBytes: below the limit nobody waits for anybody", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, (message) => String(message.byteLength), { maxBufferedBytes: MAX, logger });
  const stalled = await stall(t, server.address, 800 * KIB);
  const client = await connect(t, server);
  const startedAt = performance.now();
  for (let round = 0; round < 5; round++) assert.equal(await outcome(client.send(pattern(1_000_000))), "reply 1000000");
  assert.ok(performance.now() - startedAt < 900);
  assert.equal(server.connectionCount, 2);
  assert.deepEqual(logger.at(), []);
  stalled.socket.destroy();
});

test("maxBufferedBytes: over the limit one message goes on all the same", async (t) => {
  const server = await serve(t, (message) => String(message.byteLength), { maxBufferedBytes: MAX });
  await stall(t, server.address, 1_900 * KIB);
  const client = await connect(t, server);
  assert.equal(await outcome(client.send(pattern(1_000_000), { timeoutMs: 5_000 })), "reply 1000000");
  assert.equal(server.connectionCount, 2);
});

test("maxBufferedBytes: who has made no progress for longest gives way to who waits, and is logged", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, (message) => String(message.byteLength), { maxBufferedBytes: MAX, logger });
  const first = await stall(t, server.address, 1_900 * KIB);
  // This one may go on over the limit, and does not.
  const second = await stall(t, server.address, 400 * KIB);
  const client = await connect(t, server);
  const sending = outcome(client.send(pattern(1_000_000)));
  const small = await connect(t, server);
  for (let round = 0; round < 20; round++) {
    const startedAt = performance.now();
    assert.equal(await outcome(small.send(pattern(64))), "reply 64");
    assert.ok(performance.now() - startedAt < 500, "small messages pass at any time");
  }
  assert.equal(await sending, "reply 1000000");
  await first.ended;
  assert.deepEqual(
    logger.at().map(({ level, error }) => [level, error?.code]),
    [["warn", "OVERLOADED"]],
  );
  second.write(frame(TYPE.DATA, END, 1, Buffer.alloc(100)));
  await second.hears((lines) => lines.some((line) => line.startsWith("DATA+END 1")));
});

test("maxBufferedBytes: a single message larger than all of it is let through", async (t) => {
  const server = await serve(t, (message) => message.bytes, { maxBufferedBytes: 100_000 });
  for (const wire of ["framed", "plain"] as const) {
    const client = await connect(t, server, { wire });
    const bytes = pattern(3_000_000);
    assert.ok(bytes.equals((await client.send(bytes)).bytes), wire);
  }
});

test("maxBufferedBytes: large messages that cannot all have room get through in turn", async (t) => {
  const server = await serve(t, (message) => String(message.byteLength), { maxBufferedBytes: 1_000_000 });
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(t, server)));
  const sending = clients.map((client) => outcome(client.send(pattern(900_000))));
  assert.deepEqual(new Set(await Promise.all(sending)), new Set(["reply 900000"]));
});

test("maxBufferedBytes: unread replies count, and who does not read them gives way to who waits", async (t) => {
  const logger = new MemoryLogger();
  const reply = pattern(600_000);
  const server = await serve(t, (message) => (message.byteLength > 100 ? "ok" : reply), {
    maxBufferedBytes: MAX,
    logger,
  });
  const deaf = await Raw.connect(t, server.address, true);
  deaf.write(greeting(), ...Array.from({ length: 20 }, (_, index) => open(index * 2 + 1, "more")));
  await until(() => server.connectionCount === 1, "the deaf client");
  // The one that may go on over the limit; the next one waits.
  await stall(t, server.address, 400 * KIB);
  assert.equal(await outcome((await connect(t, server)).send(pattern(1_500_000))), "reply ok");
  await until(() => logger.at().length > 0, "the deaf client to give way");
  assert.deepEqual(
    logger.at().map(({ peer, error }) => [peer, error?.code]),
    [[1, "OVERLOADED"]],
  );
});
