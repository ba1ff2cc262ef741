import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLogger } from "../support/logger.js";
import { END, frame, greeting, halfMessage, hello, open, openInPieces, Raw, reset, TYPE } from "../support/raw.js";
import { preface } from "../wire/reference.js";
import { aborted, connect, Gate, outcome, serve } from "./support.js";

/** What a client does that breaks the protocol, and what the server says about it. */
const breaches: { what: string; bytes: Uint8Array; text: RegExp }[] = [
  { what: "sends a frame of unknown type", bytes: frame(14, 0, 0), text: /unknown type 14/ },
  { what: "sends a frame of unknown flags", bytes: frame(TYPE.DATA, 16, 1, "a"), text: /unknown flags 16/ },
  { what: "opens exchange 2", bytes: open(2), text: /exchange 2 is out of turn/ },
  { what: "opens an exchange twice", bytes: Buffer.concat([open(1), open(1)]), text: /exchange 1 is out of turn/ },
  { what: "goes on with what it never began", bytes: frame(TYPE.DATA, END, 7, "a"), text: /exchange 7, which was not/ },
  { what: "gives up what it never began", bytes: reset(7, 1), text: /exchange 7, which was not opened/ },
  { what: "greets twice", bytes: hello(), text: /a second HELLO/ },
  { what: "pings with three bytes", bytes: frame(TYPE.PING, 0, 0, "abc"), text: /PING or PONG of wrong length/ },
  { what: "sends less than it declared", bytes: openInPieces(1, [10, 10], 30), text: /shorter than it says/ },
  { what: "sends more than it declared", bytes: openInPieces(1, [10, 10], 15), text: /longer than it says/ },
  {
    what: "declares a frame of 4 GiB",
    bytes: Buffer.from("02010000ffffffff0100000000000000", "hex"),
    text: /declares 4294967295 bytes/,
  },
  {
    what: "sends descriptors that were not agreed on",
    bytes: Buffer.from("02010100000000000100000000000000", "hex"),
    text: /descriptors/,
  },
];

for (const { what, bytes, text } of breaches) {
  test(`a client that ${what} is told why and cut, logged once, and disturbs nobody`, async (t) => {
    const logger = new MemoryLogger();
    const server = await serve(t, (message) => message.bytes, { logger });
    const other = await connect(t, server);
    assert.equal(await outcome(other.send("before")), "reply before");
    const raw = await Raw.greeted(t, server.address);
    raw.write(bytes);
    await raw.ended;
    assert.ok(
      raw.frames.some((line) => /^GOAWAY \d+ VIOLATION$/.test(line)),
      String(raw.frames),
    );
    assert.match(raw.received.toString("latin1"), text);
    const lines = logger.at();
    assert.deepEqual(
      lines.map(({ level, error }) => [level, error?.code]),
      [["warn", "PROTOCOL_VIOLATION"]],
    );
    assert.match(lines[0]?.text ?? "", /^cut the connection: Cannot read what the other side sent: /);
    assert.match(lines[0]?.text ?? "", text);
    assert.equal(typeof lines[0]?.peer, "number");
    assert.equal(await outcome(other.send("after")), "reply after");
    assert.equal(server.connectionCount, 1);
  });
}

test("a client that says nothing but a wrong preface is a plain one, unless only framed ones are taken", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, () => "ok", { wire: "framed", logger });
  const raw = await Raw.connect(t, server.address);
  raw.write("GET / HTTP/1.1\r\n\r\n");
  await raw.ended;
  assert.deepEqual(
    logger.at().map(({ level, error }) => [level, error?.code]),
    [["warn", "PROTOCOL_VIOLATION"]],
  );
});

test("a client that goes in the middle of a message never had one", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, () => assert.fail("there was no whole message"), { logger });
  for (const bytes of [
    preface,
    greeting().subarray(0, 20),
    Buffer.concat([greeting(), halfMessage(1, 100_000, 50_000)]),
    Buffer.concat([greeting(), openInPieces(1, [50_000, 50_000]).subarray(0, 60_000)]),
  ]) {
    const raw = await Raw.connect(t, server.address);
    raw.write(bytes);
    while (server.connectionCount === 0) await new Promise((resolve) => setImmediate(resolve));
    raw.socket.end();
    await raw.ended;
  }
  while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(logger.at("error"), []);
});

test("a client that goes before its answer: its handler's signal aborts, and nobody is warned", async (t) => {
  const logger = new MemoryLogger();
  const [begun, told] = [new Gate(), new Gate()];
  const reasons: unknown[] = [];
  const server = await serve(
    t,
    async (_, { signal }) => {
      begun.open();
      reasons.push(await aborted(signal));
      told.open();
      return "for nobody";
    },
    { logger },
  );
  const raw = await Raw.greeted(t, server.address);
  raw.write(open(1));
  await begun.opened;
  raw.socket.destroy();
  await told.opened;
  assert.match(String(reasons[0]), /closed the connection/);
  assert.deepEqual(logger.at(), []);
  assert.ok(logger.at("debug").some(({ text }) => text === "a caller is gone before its answer"));
});

test("a client may give up what is finished, and send data for what was given up", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(t, (message) => message.bytes, { logger, maxMessageBytes: 1_000 });
  const raw = await Raw.greeted(t, server.address);
  raw.write(open(1, "a"));
  await raw.hears((lines) => lines.includes('DATA+END 1 "a"'));
  raw.write(reset(1, 1), openInPieces(3, [600, 600, 600], 1_800), open(5, "b"));
  await raw.hears((lines) => lines.includes('DATA+END 5 "b"'));
  assert.deepEqual(raw.frames, ['DATA+END 1 "a"', "RESET 3 TOO_LARGE", 'DATA+END 5 "b"']);
  assert.deepEqual(logger.at(), []);
});

test("unknown optional frames and flags are skipped", async (t) => {
  const server = await serve(t, (message) => message.bytes);
  const raw = await Raw.greeted(t, server.address);
  raw.write(frame(0x80, 0x1f, 5, "whatever"), frame(TYPE.OPEN, END | 0xc0, 1, "a"));
  await raw.hears((lines) => lines.includes('DATA+END 1 "a"'));
});

test("what a server logs when all is well: one line at info, the rest at debug", async (t) => {
  const logger = new MemoryLogger();
  const app = { name: "weather", version: "1" };
  const server = await serve(t, () => "ok", { logger });
  const client = await connect(t, server, { app, logger: new MemoryLogger() });
  await client.send("a");
  await client.close();
  await server.close();
  assert.deepEqual(
    logger.lines.map(({ level, text }) => [level, text]),
    [
      ["info", "listening"],
      ["debug", "connection opened"],
      ["debug", "connection closed"],
    ],
  );
  assert.equal(logger.lines[0]?.address, server.address);
});
