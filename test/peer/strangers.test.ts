import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { goAway, greeting, hello, open, reset } from "../support/raw.js";
import { preface } from "../wire/reference.js";
import { connect, outcome, rejection, socketPath } from "./support.js";

/** A server that is not earshot; closed after the test with all its connections. */
async function stranger(t: TestContext, onConnection: (socket: Socket) => void): Promise<{ address: string }> {
  return await listening(
    t,
    createServer((socket) => onConnection(socket.on("error", () => {}))),
  );
}

async function listening(t: TestContext, server: Server): Promise<{ address: string }> {
  const path = socketPath(t);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { address: path };
}

const app = { name: "weather", version: "1", accepts: ["1"] };
const frameOf = (type: number, payload = "") => {
  const bytes = Buffer.alloc(16 + payload.length);
  bytes[0] = type;
  bytes.writeUInt32LE(payload.length, 4);
  bytes.write(payload, 16);
  return bytes;
};

/** What such a server says at once, and what a client makes of it. */
const sayings: { what: string; bytes: Uint8Array | string; code: string; text: RegExp }[] = [
  {
    what: "an SMTP greeting",
    bytes: "220 mail ready\r\n",
    code: "PROTOCOL_VIOLATION",
    text: /preface.*another kind of/,
  },
  { what: "zeros", bytes: Buffer.alloc(64), code: "PROTOCOL_VIOLATION", text: /preface/ },
  { what: "a preface with a mistake", bytes: "\xc1earshoT", code: "PROTOCOL_VIOLATION", text: /preface/ },
  {
    what: "a message before HELLO",
    bytes: Buffer.concat([preface, open(2)]),
    code: "PROTOCOL_VIOLATION",
    text: /a frame before HELLO/,
  },
  {
    what: "a HELLO that is not JSON",
    bytes: Buffer.concat([preface, frameOf(1, "hello")]),
    code: "PROTOCOL_VIOLATION",
    text: /a HELLO that is not JSON/,
  },
  {
    what: "a HELLO of a later protocol only",
    bytes: Buffer.concat([preface, hello({ versions: [2, 3] })]),
    code: "VERSION_MISMATCH",
    text: /this side speaks protocol 1, the other 2 to 3; upgrade this side/,
  },
  {
    what: "a frame that declares 4 GiB",
    bytes: Buffer.concat([greeting(), Buffer.from("03010000ffffffff0100000000000000", "hex")]),
    code: "PROTOCOL_VIOLATION",
    text: /declares 4294967295 bytes/,
  },
  {
    what: "an answer nobody asked for",
    bytes: Buffer.concat([greeting(), reset(99, 3)]),
    code: "PROTOCOL_VIOLATION",
    text: /99/,
  },
  {
    what: "an exchange of its own",
    bytes: Buffer.concat([greeting(), open(2)]),
    code: "PROTOCOL_VIOLATION",
    text: /server began/,
  },
  {
    what: "a frame of unknown type",
    bytes: Buffer.concat([greeting(), frameOf(14)]),
    code: "PROTOCOL_VIOLATION",
    text: /type 14/,
  },
  {
    what: "a GOAWAY",
    bytes: Buffer.concat([greeting(), goAway(0, 5, "no place")]),
    code: "OVERLOADED",
    text: /no place/,
  },
];

for (const { what, bytes, code, text } of sayings) {
  test(`a server that says ${what} rejects what is pending with ${code}`, async (t) => {
    const server = await stranger(t, (socket) => void socket.once("data", () => socket.write(bytes)));
    const client = await connect(t, server, { reconnect: false });
    const outcomes = [client.send("a"), client.send("b", { timeoutMs: 5_000 })].map((sending) => rejection(sending));
    for (const error of await Promise.all(outcomes)) {
      assert.equal(error.code, code);
      assert.match(error.message, text);
      assert.ok(error.delivery !== undefined);
    }
    assert.equal((await client.closed)?.code, code);
    assert.match(await outcome(client.send("c")), / unsent$/);
  });
}

test("an HTTP server: PROTOCOL_VIOLATION for a send, and for a dial that waits for the greeting", async (t) => {
  const http = createHttpServer((_, response) => response.end("hi"));
  const server = await listening(t, http);
  const client = await connect(t, server);
  const error = await rejection(client.send("hello"));
  assert.equal(error.code, "PROTOCOL_VIOLATION");
  assert.match(error.message, /it does not begin with earshot's preface. Is it another kind of server\?/);
  const dialing = await rejection(connect(t, server, { app }));
  assert.deepEqual([dialing.code, dialing.op], ["PROTOCOL_VIOLATION", "dial"]);
});

test("a plain client speaks to any server that reads to the end: HTTP too", async (t) => {
  const server = await listening(
    t,
    createHttpServer((request, response) => {
      response.setHeader("connection", "close").end(`you asked for ${request.url}`);
    }),
  );
  const client = await connect(t, server, { wire: "plain" });
  const reply = await client.send("GET /weather HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  assert.match(reply.text(), /^HTTP\/1.1 200 OK\r\n[\s\S]*you asked for \/weather/);
});

test("a server that closes at once: CONNECTION_LOST", async (t) => {
  const server = await stranger(t, (socket) => void socket.destroy());
  const client = await connect(t, server, { reconnect: false });
  const sending = rejection(client.send("a"));
  assert.equal((await sending).code, "CONNECTION_LOST");
  assert.equal((await client.closed)?.code, "CONNECTION_LOST");
  const dialing = await rejection(connect(t, server, { app }));
  assert.deepEqual([dialing.code, dialing.op], ["CONNECTION_LOST", "dial"]);
});

test("a server that reads and ends without a word: CONNECTION_LOST", async (t) => {
  const server = await stranger(t, (socket) => void socket.once("data", () => socket.end()));
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("a")), "CONNECTION_LOST unknown");
  const { code, op } = await rejection(connect(t, server, { app }));
  assert.deepEqual([code, op], ["CONNECTION_LOST", "dial"]);
});

test("a server that says nothing at all: the deadline of the send, or of the dial that waits", async (t) => {
  const server = await stranger(t, (socket) => void socket.resume());
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("a", { timeoutMs: 50 })), "TIMEOUT unknown");
  assert.equal(await outcome(client.ping({ timeoutMs: 50 })), "TIMEOUT unsent");
  await client.close();
  const { code, op, message } = await rejection(connect(t, server, { app, connectTimeoutMs: 50 }));
  assert.deepEqual([code, op], ["TIMEOUT", "dial"]);
  assert.match(message, /handshake for 50 ms/);
});

test("a plain server that ends before it has read everything: CONNECTION_LOST, not an empty reply", async (t) => {
  const server = await stranger(t, (socket) => void socket.once("data", () => socket.pause().end()));
  const client = await connect(t, server, { wire: "plain" });
  assert.equal(await outcome(client.send(Buffer.alloc(20_000_000))), "CONNECTION_LOST unknown");
});

test("a server that dribbles its greeting and reply byte by byte is understood", async (t) => {
  const { frame, TYPE, END } = await import("../support/raw.js");
  const answer = Buffer.concat([greeting(), frame(TYPE.DATA, END, 1, "slow but sure")]);
  const server = await stranger(t, (socket) => {
    socket.once("data", () => {
      let index = 0;
      const next = () => {
        if (index < answer.length) socket.write(answer.subarray(index, ++index), () => setImmediate(next));
      };
      next();
    });
  });
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("a")), "reply slow but sure");
});
