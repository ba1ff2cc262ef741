/**
 * What nng checks of its IPC transport (src/sp/transport/ipc/ipc_test.c), checked here; each test names its case.
 *
 * Without a meaning here:
 * - ipc dialer perms: only `listen` has a `mode`, so there is nothing at `dial` to refuse; the types say so
 * - ipc peer id: the other process's ids are not available yet
 * - ipc security descriptor: Windows
 * - setting or reading an option of a dialer or listener that exists: options are given once. What the options of
 *   "ipc dialer props" and "ipc listener props" do is checked instead
 */
import assert from "node:assert/strict";
import { existsSync, lstatSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Context, dial, type Handler, type ListenOptions, listen, type Server } from "../../src/index.js";
import { connect, cut, outcome, rejection, serve, socketPath } from "../peer/support.js";
import { temporaryDirectory } from "../support/temp.js";
import { abstractAddress, HAS_ABSTRACT_NAMES } from "./abstract.js";
import { fullServer } from "./full-queue.js";

const pong: Handler = (message) => (message.text() === "ping" ? "pong" : "what?");

async function serveAt(t: TestContext, address: string, handler: Handler, options?: ListenOptions): Promise<Server> {
  const server = await listen(address, handler, options);
  t.after(() => cut(server));
  return server;
}

/** The codes with which both `listen` and `dial` refuse an address. */
async function refusals(address: string): Promise<string[]> {
  const errors = await Promise.all([rejection(listen(address, pong)), rejection(dial(address))]);
  return errors.map(({ code }) => code);
}

// nng: ipc path too long
test("a path that is too long for a socket is refused, to listen on and to dial", async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "a".repeat(255 - directory.length - 1));
  assert.deepEqual(await refusals(path), ["ADDRESS_TOO_LONG", "ADDRESS_TOO_LONG"]);
  assert.deepEqual(await refusals(`unix:${path}`), ["ADDRESS_TOO_LONG", "ADDRESS_TOO_LONG"]);
});

// nng: ipc listener perms
test("the socket file has the mode that was asked for, and what is not a mode is refused", async (t) => {
  const path = socketPath(t);
  const isRegularFile = 0o100000;
  const { code, message } = await rejection(listen(path, pong, { mode: isRegularFile }));
  assert.equal(code, "INVALID_ARGUMENT");
  assert.match(message, /mode/);
  assert.ok(!existsSync(path));
  const options = { mode: 0o444 };
  await serveAt(t, path, pong, options);
  assert.equal(lstatSync(path).mode & 0o777, 0o444);
  options.mode = 0o644;
  assert.equal(lstatSync(path).mode & 0o777, 0o444);
});

// nng: ipc dialer props
test("a client takes replies of up to the size it was dialed with, and no larger ones", async (t) => {
  const server = await serve(t, (message) => "x".repeat(Number(message.text())));
  const client = await connect(t, server, { maxMessageBytes: 8_192 });
  assert.equal(await outcome(client.send("8192")), "reply of 8192");
  assert.match(await outcome(client.send("8193")), /^MESSAGE_TOO_LARGE/);
  assert.equal(await outcome(client.send("8192")), "reply of 8192");
});

// nng: ipc listener props
test("a server keeps the sizes it began with, whatever becomes of the options object", async (t) => {
  const options = { maxMessageBytes: 8_192 };
  const server = await serve(t, (message) => String(message.byteLength), options);
  options.maxMessageBytes = 1;
  const client = await connect(t, server);
  assert.equal(await outcome(client.send(Buffer.alloc(8_192))), "reply 8192");
  assert.equal(await outcome(client.send(Buffer.alloc(8_193))), "MESSAGE_TOO_LARGE unsent");
});

// nng: ipc ping pong
test("a message goes there and its reply comes back", async (t) => {
  const server = await serve(t, pong);
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("ping")), "reply pong");
});

// nng: ipc ping pong many
test("a hundred messages, each sent when the last was answered, pass on one connection", async (t) => {
  const ids = new Set<number>();
  const server = await serve(t, (message, context: Context) => {
    ids.add(context.peer.id);
    return `${message.text()}, pong`;
  });
  const client = await connect(t, server);
  for (let index = 0; index < 100; index++) {
    assert.equal(await outcome(client.send(`ping ${index}`)), `reply ping ${index}, pong`);
  }
  assert.equal(ids.size, 1);
});

// nng: ipc huge msg
test("a message of a mebibyte arrives whole, and so does a reply of that size", async (t) => {
  const body = Buffer.alloc(1 << 20, "a");
  let arrived: Uint8Array | undefined;
  const server = await serve(t, (message) => {
    arrived = message.bytes;
    return message.bytes;
  });
  const client = await connect(t, server);
  const reply = await client.send(body);
  assert.ok(arrived !== undefined && body.equals(arrived));
  assert.ok(body.equals(reply.bytes));
});

// nng: ipc recv max
test("a message over the receiver's limit is never handled, and one below it is", async (t) => {
  const lengths: number[] = [];
  const server = await serve(t, (message) => void lengths.push(message.byteLength), { maxMessageBytes: 100 });
  const client = await connect(t, server, { maxMessageBytes: 200 });
  assert.equal(await outcome(client.send(Buffer.alloc(95))), "reply ");
  assert.equal(await outcome(client.send(Buffer.alloc(150))), "MESSAGE_TOO_LARGE unsent");
  assert.equal(await outcome(client.send(Buffer.alloc(100))), "reply ");
  assert.deepEqual(lengths, [95, 100]);
});

// nng: ipc connect refused
test("nobody at the address: dial says so at once", async (t) => {
  const { code, op } = await rejection(dial(socketPath(t), { connectTimeoutMs: 0 }));
  assert.deepEqual([code, op], ["NO_SERVER", "dial"]);
});

// nng: ipc connect blocking
test("a dial that waits for a place in a full queue can be given up", async (t) => {
  const path = socketPath(t);
  await fullServer(t, path);
  const controller = new AbortController();
  const given = rejection(dial(path, { connectTimeoutMs: 0, signal: controller.signal }));
  const late = await rejection(dial(path, { connectTimeoutMs: 30 }));
  assert.deepEqual([late.code, late.op], ["OVERLOADED", "dial"]);
  controller.abort("enough");
  const { code, cause } = await given;
  assert.deepEqual([code, cause], ["CANCELLED", "enough"]);
});

// nng: ipc connect blocking accept
test("a dial that waits for a place in a full queue gets in when the server accepts again", async (t) => {
  const path = socketPath(t);
  const child = await fullServer(t, path);
  let isThere = false;
  const dialing = connect(t, { address: path }, { connectTimeoutMs: 0 }).then((client) => {
    isThere = true;
    return client;
  });
  await rejection(dial(path, { connectTimeoutMs: 30 }));
  assert.equal(isThere, false);
  child.thaw();
  assert.equal(await outcome((await dialing).send("at last")), "reply at last");
});

// nng: ipc listen accept cancel
test("a server to which nobody ever came closes at once, also while it starts", async (t) => {
  const path = socketPath(t);
  const server = await serveAt(t, path, pong);
  await server.close({ graceMs: 0 });
  assert.ok(!existsSync(path));
  const controller = new AbortController();
  const starting = listen(path, pong, { signal: controller.signal });
  controller.abort();
  await starting.then(
    (started) => started.closed,
    (error) => assert.equal(error.code, "CANCELLED"),
  );
  assert.ok(!existsSync(path));
});

// nng: ipc listen duplicate
test("an address can be listened on once, and the first server is not disturbed", async (t) => {
  const server = await serve(t, pong);
  const { code, op } = await rejection(listen(server.address, () => "usurper"));
  assert.deepEqual([code, op], ["ADDRESS_IN_USE", "listen"]);
  assert.equal(await outcome((await connect(t, server)).send("ping")), "reply pong");
});

// nng: ipc listen cleanup stale
test("a socket file that was away when its server closed is stale, and the next server replaces it", async (t) => {
  const path = socketPath(t);
  const gone = await serveAt(t, path, () => "ghost");
  renameSync(path, `${path}.renamed`);
  await gone.close();
  assert.ok(existsSync(`${path}.renamed`));
  renameSync(`${path}.renamed`, path);
  assert.equal((await rejection(dial(path))).code, "NO_SERVER");
  const server = await serveAt(t, path, pong);
  assert.equal(await outcome((await connect(t, server)).send("ping")), "reply pong");
});

// nng: ipc abstract sockets
test("an abstract name carries messages, and both sides know the server by the same address", async (t) => {
  const address = abstractAddress();
  if (!HAS_ABSTRACT_NAMES) return assert.deepEqual(await refusals(address), ["UNSUPPORTED", "UNSUPPORTED"]);
  const server = await serveAt(t, address, (_, context) => context.peer.address);
  const client = await connect(t, server);
  assert.deepEqual([server.address, client.address], [address, address]);
  assert.equal((await client.send("ping")).text(), address);
});

// nng: ipc abstract auto-bind: an empty name is no address here, as nobody could dial what the kernel makes of it
test("an empty abstract name is refused", async () => {
  assert.deepEqual(await refusals("unix:@"), ["INVALID_ADDRESS", "INVALID_ADDRESS"]);
});

// nng: ipc abstract name too long
test("an abstract name that is too long is refused, to listen on and to dial", async () => {
  assert.deepEqual(await refusals(`unix:@${"a".repeat(244)}`), ["ADDRESS_TOO_LONG", "ADDRESS_TOO_LONG"]);
});

// nng: ipc abstract embedded null: nng decodes %00; here nothing is decoded, and a NUL is refused
test("an abstract name has no NUL, and %00 in it are three characters", async (t) => {
  const address = abstractAddress();
  assert.deepEqual(await refusals(`${address}\0b`), ["INVALID_ADDRESS", "INVALID_ADDRESS"]);
  if (!HAS_ABSTRACT_NAMES) return assert.deepEqual(await refusals(`${address}%00b`), ["UNSUPPORTED", "UNSUPPORTED"]);
  const server = await serveAt(t, `${address}%00b`, pong);
  assert.equal(server.address, `${address}%00b`);
  assert.equal(await outcome((await connect(t, server)).send("ping")), "reply pong");
  assert.equal((await rejection(dial(address))).code, "NO_SERVER");
});

// nng: ipc unix alias
test("a path, unix: with a path and unix:// with a path are one address", async (t) => {
  const path = socketPath(t);
  const seen: string[] = [];
  const server = await serveAt(t, path, (_, context) => {
    seen.push(context.peer.address);
    return "pong";
  });
  assert.equal(server.address, `unix:${path}`);
  const clients = await Promise.all([path, `unix:${path}`, `unix://${path}`].map((address) => connect(t, { address })));
  const replies = await Promise.all(clients.map((client) => outcome(client.send("ping"))));
  assert.deepEqual(replies, Array(3).fill("reply pong"));
  assert.deepEqual(new Set([...seen, ...clients.map(({ address }) => address)]), new Set([`unix:${path}`]));
  assert.equal((await rejection(listen(`unix://${path}`, pong))).code, "ADDRESS_IN_USE");
});
