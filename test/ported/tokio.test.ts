/**
 * What tokio checks of its Unix sockets (tokio/tests/uds_{socket,split,stream}.rs), checked here; each test names its
 * case.
 *
 * Without a meaning here:
 * - uds_cred, all of it: the other process's ids are not available yet
 * - uds_socket datagram_echo_server and assert_usage: there are no datagrams
 * - uds_socket listen_and_stream, the client's own path: clients have no address
 * - uds_stream poll_read_ready, poll_write_ready and the `readable`, `writable`, `ready` of the others: nobody polls
 *   sockets here. That the end of the other side is noticed, while idle and while full, is checked instead
 * - uds_stream try_write_vectored and try_read_vectored: bytes are given and taken in one piece
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { dial, listen } from "../../src/index.js";
import { aborted, connect, cut, Gate, outcome, rejection, serve, socketPath, WIRES } from "../peer/support.js";
import { pattern } from "../support/bytes.js";
import { Raw } from "../support/raw.js";
import { abstractAddress, HAS_ABSTRACT_NAMES } from "./abstract.js";

/** A `net.Server` that does as it is told; closed after the test with its connections. */
async function bare(t: TestContext, path: string, onConnection: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on("error", () => {}));
    onConnection(socket);
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server.listen(path), "listening");
  return server;
}

// tokio: uds_socket listen_and_stream
test("a caller that writes and ends is read to the end, and its connection ends too", async (t) => {
  const texts: string[] = [];
  const server = await serve(t, (message) => void texts.push(message.text()), { backlog: 1_024 });
  const raw = await Raw.connect(t, server.address);
  raw.write("hello").socket.end();
  assert.equal(await raw.closed, undefined);
  assert.deepEqual([texts, raw.received.length], [["hello"], 0]);
});

// tokio: uds_stream accept_read_write
for (const wire of WIRES) {
  test(`${wire}: what a client sent before it closed arrives, and nothing after it`, async (t) => {
    const texts: string[] = [];
    const server = await serve(t, (message) => void texts.push(message.text()));
    const client = await connect(t, server, { wire });
    const sending = outcome(client.send("hello"));
    await client.close();
    assert.equal(await sending, "reply ");
    await server.close();
    assert.deepEqual(texts, ["hello"]);
  });
}

// tokio: uds_stream accept_read_write_socketaddr
test("the address that a server tells can be dialed, and listened on again", async (t) => {
  const first = await serve(t, (message) => message.bytes);
  assert.equal(await outcome((await connect(t, first)).send("hello")), "reply hello");
  await cut(first);
  const second = await listen(first.address, (message) => message.bytes);
  t.after(() => cut(second));
  assert.equal(second.address, first.address);
  assert.equal(await outcome((await connect(t, second)).send("hello")), "reply hello");
});

// tokio: uds_stream shutdown
test("a connection that ends before its first byte is no message, and is ended by the server too", async (t) => {
  let handled = 0;
  const server = await serve(t, () => String(++handled));
  const raw = await Raw.connect(t, server.address);
  raw.socket.end();
  assert.equal(await raw.closed, undefined);
  assert.deepEqual([handled, raw.received.length], [0, 0]);
});

// tokio: uds_split split
test("both sides write all they have, end their direction, and read the other's to the end", async (t) => {
  const path = socketPath(t);
  const [ours, theirs] = [pattern(500_000, 1), pattern(500_000, 2)];
  const ended = new Gate();
  const heard: Buffer[] = [];
  await bare(t, path, (socket) => {
    socket.on("data", (bytes) => heard.push(bytes)).on("end", ended.open);
    socket.end(theirs);
  });
  const client = await connect(t, { address: path }, { wire: "plain" });
  const reply = await client.send(ours);
  assert.ok(theirs.equals(reply.bytes));
  await ended.opened;
  assert.ok(ours.equals(Buffer.concat(heard)));
});

// tokio: uds_stream try_read_write, try_read_buf
test("what fills every buffer while nobody reads arrives whole and in order, and the end after it is noticed", async (t) => {
  const [first, open, gone] = [new Gate(), new Gate(), new Gate()];
  const bodies = Array.from({ length: 150 }, (_, index) => pattern(65_536, index));
  const taken: Uint8Array[] = [];
  const limits = { maxInFlight: 1, maxBufferedBytes: 262_144 };
  const server = await serve(
    t,
    async (message, { signal }) => {
      if (message.text() === "end") {
        await aborted(signal);
        gone.open();
        return;
      }
      first.open();
      await open.opened;
      taken.push(message.bytes);
    },
    limits,
  );
  const client = await connect(t, server);
  const sending = bodies.map((body) => outcome(client.send(body)));
  await first.opened;
  assert.equal(taken.length, 0);
  open.open();
  assert.deepEqual(new Set(await Promise.all(sending)), new Set(["reply "]));
  assert.equal(taken.length, bodies.length);
  for (const [index, body] of bodies.entries()) assert.ok(body.equals(taken[index]!), `message ${index}`);
  const last = outcome(client.send("end"));
  await client.ping();
  await cut(client);
  await gone.opened;
  assert.match(await last, /^CONNECTION_CLOSED/);
});

// tokio: uds_stream poll_read_ready: the disconnect of an idle client
test("an idle server notices that its client is gone, and an idle client that its server is", async (t) => {
  const left = new Gate();
  const debug = (_: object, text: string) => void (text === "connection closed" && left.open());
  const logger = { debug, info() {}, warn() {}, error() {} };
  const server = await serve(t, () => "ok", { logger });
  const leaving = await connect(t, server);
  assert.equal(await outcome(leaving.send("a")), "reply ok");
  assert.equal(server.connectionCount, 1);
  await cut(leaving);
  await left.opened;
  assert.equal(server.connectionCount, 0);
  const staying = await connect(t, server, { reconnect: false });
  assert.equal(await outcome(staying.send("a")), "reply ok");
  await server.close();
  assert.equal((await staying.closed)?.code, "CONNECTION_CLOSED");
});

// tokio: uds_stream poll_write_ready: the disconnect of a server whose buffers are full
for (const wire of WIRES) {
  test(`${wire}: a send that waits because nobody reads is told when the server goes`, async (t) => {
    const path = socketPath(t);
    const accepted = new Gate();
    let accept: Socket | undefined;
    await bare(t, path, (socket) => {
      accept = socket.pause();
      accepted.open();
    });
    const client = await connect(t, { address: path }, { wire });
    const sending = rejection(client.send(Buffer.alloc(8_000_000)));
    await accepted.opened;
    accept?.destroy();
    const { code, delivery } = await sending;
    assert.deepEqual([code, delivery], ["CONNECTION_LOST", "unknown"]);
  });
}

// tokio: uds_stream epollhup
test("a listener that goes while a client connects fails the dial or the first send, and hangs neither", async (t) => {
  const path = socketPath(t);
  const server = await bare(t, path, (socket) => void socket.destroy());
  const app = { name: "weather", version: "1", accepts: ["1"] };
  const dialing = rejection(dial(path, { app, connectTimeoutMs: 0 }));
  const sending = connect(t, { address: path }, { connectTimeoutMs: 0 }).then((client) => client.send("a"));
  server.close();
  const errors = await Promise.all([dialing, rejection(sending)]);
  for (const { code } of errors) assert.ok(["NO_SERVER", "CONNECTION_LOST"].includes(code), code);
});

// tokio: uds_stream abstract_socket_name
test("an abstract name is told as it was given, without the NUL that the kernel puts before it", async (t) => {
  const address = abstractAddress();
  const listening = listen(address, (_, context) => context.peer.address);
  if (!HAS_ABSTRACT_NAMES) return assert.equal((await rejection(listening)).code, "UNSUPPORTED");
  const server = await listening;
  t.after(() => cut(server));
  assert.equal(server.address, address);
  assert.equal((await (await connect(t, server)).send("a")).text(), address);
});
