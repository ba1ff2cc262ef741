import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { connect, Gate, outcome, serve } from "../peer/support.js";
import { until } from "../support/children.js";
import { MemoryLogger } from "../support/logger.js";
import { greeting, halfMessage, open, openInPieces, Raw } from "../support/raw.js";
import { preface } from "../wire/reference.js";

// Time is what is measured here, so these tests wait; never for longer than they must.

/** How long the server bears with it, in milliseconds. */
async function lifetime(raw: Raw, since = performance.now()): Promise<number> {
  await raw.ended;
  return performance.now() - since;
}

function assertAbout(ms: number, limit: number): void {
  assert.ok(ms >= limit - 2 && ms < limit + 1_500, `${ms} ms, the limit is ${limit}`);
}

const beginnings: { what: string; bytes: Uint8Array }[] = [
  { what: "nothing", bytes: new Uint8Array() },
  { what: "half a preface", bytes: preface.subarray(0, 4) },
  { what: "a preface", bytes: preface },
  { what: "half a HELLO", bytes: greeting().subarray(0, 30) },
];

for (const { what, bytes } of beginnings) {
  test(`handshakeTimeoutMs: a connection that says ${what} is cut then, and logged`, async (t) => {
    const logger = new MemoryLogger();
    const server = await serve(t, () => "ok", { handshakeTimeoutMs: 80, logger });
    const since = performance.now();
    const raw = await Raw.connect(t, server.address);
    if (bytes.length > 0) raw.write(bytes);
    assertAbout(await lifetime(raw, since), 78);
    await until(() => server.connectionCount === 0, "the connection to be gone");
    assert.deepEqual(
      logger.at().map(({ level, error }) => [level, error?.code]),
      [["warn", "TIMEOUT"]],
    );
  });
}

test("handshakeTimeoutMs: who has greeted may stay for as long as it likes", async (t) => {
  const server = await serve(t, (message) => message.bytes, { handshakeTimeoutMs: 200, messageTimeoutMs: 200 });
  const raw = await Raw.greeted(t, server.address);
  const client = await connect(t, server);
  await client.send("a");
  await setTimeout(300);
  raw.write(open(1, "late"));
  await raw.hears((lines) => lines.includes('DATA+END 1 "late"'));
  assert.equal(await outcome(client.send("late")), "reply late");
});

test("handshakeTimeoutMs: a plain message that goes on for longer is none of its business", async (t) => {
  const server = await serve(t, (message) => message.bytes, { handshakeTimeoutMs: 50 });
  const raw = await Raw.connect(t, server.address);
  for (const part of ["one ", "two ", "three"]) {
    raw.write(part);
    await setTimeout(40);
  }
  raw.socket.end();
  await raw.closed;
  assert.equal(raw.received.toString(), "one two three");
});

const halves: { what: string; begin: (raw: Raw) => void; frames: string[] }[] = [
  {
    what: "half a frame",
    begin: (raw) => void raw.write(greeting(), halfMessage(1, 1_000, 500)),
    frames: ["GOAWAY 1 TIMEOUT"],
  },
  {
    what: "half a header",
    begin: (raw) => void raw.write(greeting(), open(1).subarray(0, 9)),
    frames: ["GOAWAY 0 TIMEOUT"],
  },
  {
    what: "a frame of a message, and no more",
    begin: (raw) => void raw.write(greeting(), openInPieces(1, [100, 100]).subarray(0, 116)),
    frames: ["GOAWAY 1 TIMEOUT"],
  },
];

for (const { what, begin, frames } of halves) {
  test(`messageTimeoutMs: a client that sends ${what} is told TIMEOUT and cut`, async (t) => {
    const server = await serve(t, () => "ok", { messageTimeoutMs: 80 });
    const raw = await Raw.connect(t, server.address);
    begin(raw);
    assertAbout(await lifetime(raw), 80);
    assert.deepEqual(raw.frames, frames);
  });
}

test("messageTimeoutMs: a plain caller that stops in the middle is cut, and its half is no message", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, () => assert.fail("half a message"), { messageTimeoutMs: 80, logger });
  const raw = await Raw.connect(t, server.address);
  raw.write("half a mess");
  assertAbout(await lifetime(raw), 78);
  await until(() => server.connectionCount === 0, "the connection to be gone");
  assert.deepEqual(
    logger.at().map(({ error }) => error?.code),
    ["TIMEOUT"],
  );
});

for (const wire of ["framed", "plain"]) {
  test(`messageTimeoutMs: ${wire}: a trickle of single bytes is cut as well, 64 KiB in each window are not`, async (t) => {
    const server = await serve(t, (message) => String(message.byteLength), { messageTimeoutMs: 250 });
    const message = wire === "framed" ? openInPieces(1, Array(8).fill(100_000)) : Buffer.alloc(800_000);
    const first = wire === "framed" ? greeting() : Buffer.alloc(0);
    const [trickle, stream] = [await Raw.connect(t, server.address), await Raw.connect(t, server.address)];
    trickle.write(first, message.subarray(0, 100));
    const since = performance.now();
    let isCut = false;
    const cut = lifetime(trickle, since).finally(() => {
      isCut = true;
    });
    for (let index = 100; !isCut; index++) {
      trickle.write(message.subarray(index, index + 1));
      await setTimeout(15);
    }
    assertAbout(await cut, 250);
    stream.write(first);
    const step = message.length / 8;
    for (let sent = 0; sent < message.length; sent += step) {
      stream.write(message.subarray(sent, sent + step));
      await setTimeout(50);
    }
    if (wire === "plain") stream.socket.end();
    await stream.receives((received) => received.includes("800000"));
  });

  test(`messageTimeoutMs: ${wire}: a caller that does not read its reply is cut`, async (t) => {
    const server = await serve(t, () => Buffer.alloc(10_000_000), { messageTimeoutMs: 80 });
    const deaf = await Raw.connect(t, server.address, true);
    if (wire === "framed") deaf.write(greeting(), open(1));
    else deaf.write("a").socket.end();
    while (server.connectionCount === 0) await new Promise((resolve) => setImmediate(resolve));
    const since = performance.now();
    while (server.connectionCount > 0) await setTimeout(5);
    assertAbout(performance.now() - since, 60);
  });
}

test("messageTimeoutMs: a handler may take as long as it likes", async (t) => {
  const server = await serve(t, () => setTimeout(200, "slow"), { messageTimeoutMs: 40, handshakeTimeoutMs: 40 });
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("a")), "reply slow");
  const plain = await connect(t, server, { wire: "plain" });
  assert.equal(await outcome(plain.send("a")), "reply slow");
});

test("idleTimeoutMs: a connection on which nothing happens is told and closed, one with a message in flight is not", async (t) => {
  const go = new Gate();
  const server = await serve(
    t,
    async () => {
      await go.opened;
      return "at last";
    },
    { idleTimeoutMs: 100 },
  );
  const busy = await connect(t, server, { reconnect: false });
  const sending = outcome(busy.send("a"));
  const begun = performance.now();
  const idle = await Raw.greeted(t, server.address);
  assertAbout(await lifetime(idle, begun), 98);
  assert.deepEqual(idle.frames, ["GOAWAY 0 CLOSED"]);
  const since = performance.now();
  go.open();
  assert.equal(await sending, "reply at last");
  const error = await busy.closed;
  assertAbout(performance.now() - since, 98);
  assert.deepEqual([error?.code, error?.message], ["CONNECTION_CLOSED", "the connection was idle for too long"]);
  assert.equal(await outcome(busy.send("b")), "CONNECTION_CLOSED unsent");
});

test("idleTimeoutMs: pings and messages keep a connection", async (t) => {
  const server = await serve(t, () => "ok", { idleTimeoutMs: 150 });
  const client = await connect(t, server);
  for (let round = 0; round < 6; round++) {
    if (round % 2 === 0) await client.ping();
    else assert.equal(await outcome(client.send("a")), "reply ok");
    await setTimeout(50);
  }
  assert.equal(await outcome(client.send("still there")), "reply ok");
});

test("0 is no limit: handshake, message and idle time", async (t) => {
  const server = await serve(t, (message) => message.bytes, {
    handshakeTimeoutMs: 0,
    messageTimeoutMs: 0,
    idleTimeoutMs: 0,
  });
  const raws = [await Raw.connect(t, server.address), await Raw.connect(t, server.address)];
  raws[1]?.write("half ");
  await setTimeout(150);
  for (const raw of raws) {
    raw.write("a message").socket.end();
    await raw.closed;
  }
  assert.deepEqual(
    raws.map((raw) => raw.received.toString()),
    ["a message", "half a message"],
  );
});
