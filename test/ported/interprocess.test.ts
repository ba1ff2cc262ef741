/**
 * What interprocess checks of its local sockets (tests/os/unix/local_socket and tests/local_socket), checked here; each
 * test names its case. What runs there with a path and with a name of the namespace runs here with a path and with an
 * abstract name.
 *
 * Without a meaning here:
 * - mode, namespaced: an abstract name has no file and so no mode; that one may be asked for is checked
 * - stream, peer_creds: the other process's ids are not available yet
 * - stream, set_nonblocking and the halves on threads of their own: nothing here blocks
 * - timeout, set_send_timeout: one time limit, from `send` to the reply, takes the place of both
 */
import assert from "node:assert/strict";
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { dial, type Handler, type ListenOptions, listen, type Server } from "../../src/index.js";
import { aborted, connect, cut, Gate, outcome, rejection, socketPath } from "../peer/support.js";
import { temporaryDirectory } from "../support/temp.js";
import { abstractAddress, HAS_ABSTRACT_NAMES } from "./abstract.js";

async function serveAt(t: TestContext, address: string, handler: Handler, options?: ListenOptions): Promise<Server> {
  const server = await listen(address, handler, options);
  t.after(() => cut(server));
  return server;
}

/** Runs a test with both kinds of address; where there are no abstract names, they must be refused. */
function testBoth(name: string, check: (t: TestContext, address: string) => Promise<void>): void {
  test(`a path: ${name}`, async (t) => await check(t, socketPath(t)));
  test(`an abstract name: ${name}`, async (t) => {
    const address = abstractAddress();
    if (HAS_ABSTRACT_NAMES) return await check(t, address);
    assert.equal((await rejection(listen(address, () => "ok"))).code, "UNSUPPORTED");
    assert.equal((await rejection(dial(address))).code, "UNSUPPORTED");
  });
}

// interprocess: fake_ns, with paths: directories with spaces, made when they are missing
test("a socket in directories that are not there yet can be listened on and dialed, spaces or not", async (t) => {
  const directory = temporaryDirectory(t);
  for (let index = 0; index < 32; index++) {
    const server = await serveAt(t, join(directory, `earshot test ${index}`, "fake ns", "test.sock"), () => "ok");
    const client = await connect(t, server);
    assert.equal(client.address, server.address);
    await client.close();
    await server.close();
  }
});

// interprocess: fake_ns, with names: a namespace that is a directory
test("a bare name is a socket in the runtime directory, which is made when it is missing", async (t) => {
  const { env } = process;
  const directory = temporaryDirectory(t);
  process.env = { ...env, XDG_RUNTIME_DIR: directory };
  t.after(() => {
    process.env = env;
  });
  const server = await serveAt(t, "chat", () => "ok");
  assert.equal(server.address, `unix:${directory}/earshot/chat.sock`);
  assert.equal(lstatSync(join(directory, "earshot")).mode & 0o777, 0o700);
  assert.equal(await outcome((await connect(t, { address: "chat" })).send("hello")), "reply ok");
});

// interprocess: mode
test("a socket file has the mode that was asked for, and its owner can connect", async (t) => {
  const path = socketPath(t);
  const server = await serveAt(t, path, () => "ok", { mode: 0o600 });
  await connect(t, server);
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
});

// interprocess: mode, namespaced
test("a mode does no harm to an abstract name, which has no file", async (t) => {
  const address = abstractAddress();
  const listening = serveAt(t, address, () => "ok", { mode: 0o600 });
  if (!HAS_ABSTRACT_NAMES) return assert.equal((await rejection(listening)).code, "UNSUPPORTED");
  const client = await connect(t, await listening);
  assert.equal(await outcome(client.send("hello")), "reply ok");
});

// interprocess: try_overwrite, which puts a listener in the place of one that lives: here that is never done
testBoth("a live server is not overwritten, and goes on", async (t, address) => {
  const first = await serveAt(t, address, () => "first");
  const before = await connect(t, first);
  assert.equal((await rejection(listen(address, () => "second"))).code, "ADDRESS_IN_USE");
  assert.equal(await outcome(before.send("who?")), "reply first");
  assert.equal(await outcome((await connect(t, first)).send("who?")), "reply first");
});

// interprocess: try_overwrite, for the one that is gone
testBoth("the address of a server that closed is free", async (t, address) => {
  const first = await serveAt(t, address, () => "first");
  await first.close();
  const second = await serveAt(t, address, () => "second");
  assert.equal(await outcome((await connect(t, second)).send("who?")), "reply second");
});

// interprocess: no_client
testBoth("a server without clients handles nothing, holds up nobody, and closes at once", async (t, address) => {
  let handled = 0;
  const server = await serveAt(t, address, () => String(++handled));
  assert.equal(server.connectionCount, 0);
  await server.close({ graceMs: 0 });
  assert.equal(handled, 0);
  assert.ok(!existsSync(address));
});

// interprocess: no_server
testBoth("a client without a server is told so at once", async (_, address) => {
  const { code, op } = await rejection(dial(address, { connectTimeoutMs: 0 }));
  assert.deepEqual([code, op], ["NO_SERVER", "dial"]);
});

// interprocess: stream: two exchanges on each of several connections, the texts ended by a line feed and by a NUL
testBoth("several clients and the server exchange texts, both ways at once, each with its own", async (t, address) => {
  const all = new Gate();
  const came: string[] = [];
  const server = await serveAt(t, address, async (message, context) => {
    came.push(message.text());
    if (came.length === 16) all.open();
    await all.opened;
    return `server to ${context.peer.id}: ${message.text()}`;
  });
  const clients = await Promise.all(Array.from({ length: 8 }, () => connect(t, server)));
  const exchanges = clients.map(async (client, index) => {
    const texts = [`client ${index}, first\n`, `client ${index}, second\0`];
    const replies = await Promise.all(texts.map((text) => client.send(text)));
    return replies.map((reply, nth) => {
      const [, id, echo] = /^server to (\d+): (.*)$/s.exec(reply.text()) ?? [];
      assert.equal(echo, texts[nth]);
      return id;
    });
  });
  const ids = await Promise.all(exchanges);
  for (const [first, second] of ids) assert.equal(first, second);
  assert.equal(new Set(ids.flat()).size, 8);
  assert.equal(new Set(came).size, 16);
});

// interprocess: timeout
testBoth("a send whose time is up rejects, and the connection can be used on", async (t, address) => {
  const gaveUp = new Gate();
  const server = await serveAt(t, address, async (message, context) => {
    if (message.text() === "quick") return `quick ${context.peer.id}`;
    await aborted(context.signal);
    gaveUp.open();
    return "too late";
  });
  const client = await connect(t, server, { connectTimeoutMs: 10_000 });
  const before = await outcome(client.send("quick"));
  const error = await rejection(client.send("slow", { timeoutMs: 20 }));
  assert.deepEqual([error.code, error.delivery], ["TIMEOUT", "unknown"]);
  await gaveUp.opened;
  assert.equal(await outcome(client.send("quick")), before);
});
