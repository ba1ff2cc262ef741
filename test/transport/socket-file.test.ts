import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, lstatSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer as createHttpServer, get, type IncomingMessage } from "node:http";
import { connect, createServer, Server } from "node:net";
import { join, relative } from "node:path";
import { test } from "node:test";
import { bindSocketFile } from "../../src/transport/socket-file.js";
import { leaveStaleSocket } from "../support/starter.js";
import { temporaryDirectory, temporaryServer } from "../support/temp.js";

test("closing the server removes the file, and its callback is called", async (t) => {
  const path = join(temporaryDirectory(t), "new", "a.sock");
  const server = temporaryServer(t);
  const file = await bindSocketFile(server, path);
  assert.equal(file.path, path);
  assert.equal(server.address(), path);
  assert.equal(lstatSync(path).mode & 0o7777, 0o600);
  const closed = new Promise((resolve) => server.close(resolve));
  assert.equal(existsSync(path), false);
  assert.equal(await closed, undefined);
});

test("the file is removed before the server stops to listen", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const server = temporaryServer(t);
  const { close } = server;
  const seen: [boolean, boolean][] = [];
  server.close = (...callback) => {
    seen.push([server.listening, existsSync(path)]);
    return close.apply(server, callback);
  };
  await bindSocketFile(server, path);
  server.close();
  assert.deepEqual(seen, [[true, false]]);
});

test("a server can be bound, closed and bound again", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const server = temporaryServer(t);
  for (let i = 0; i < 3; i++) {
    await bindSocketFile(server, path);
    server.close();
    await bindSocketFile(server, path);
    const closed = once(server, "close");
    server.close();
    await closed;
    assert.equal(existsSync(path), false);
    assert.equal(server.close, Server.prototype.close);
  }
});

test("an HTTP server answers at its socket file, and closes with it", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const server = createHttpServer((_request, response) => response.end("hello"));
  t.after(() => void server.close());
  await leaveStaleSocket(path);
  await bindSocketFile(server, path, { mode: 0o666, backlog: 10 });
  const [response] = (await once(get({ socketPath: path, agent: false }), "response")) as [IncomingMessage];
  assert.equal((await response.toArray()).join(""), "hello");
  await new Promise((resolve) => server.close(resolve));
  assert.equal(existsSync(path), false);
});

test("release removes the file once, and the file of another never", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const [first, second] = [temporaryServer(t), temporaryServer(t)];
  const firstFile = await bindSocketFile(first, path);
  rmSync(path);
  await bindSocketFile(second, path);
  firstFile.release();
  first.close();
  await once(first, "close");
  const socket = connect(path);
  await once(socket, "connect");
  socket.destroy();
  {
    await using secondFile = await bindSocketFile(temporaryServer(t), `${path}2`);
    assert.ok(existsSync(secondFile.path));
  }
  assert.equal(existsSync(`${path}2`), false);
});

test("a descriptor that is closed behind our back takes the file with it", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const server = temporaryServer(t);
  await bindSocketFile(server, path);
  Server.prototype.close.call(server);
  await once(server, "close");
  assert.equal(existsSync(path), false);
});

test("a server that listens already is refused, and goes on; of two calls at once one is", async (t) => {
  const directory = temporaryDirectory(t);
  const server = temporaryServer(t);
  const calls = [bindSocketFile(server, join(directory, "a")), bindSocketFile(server, join(directory, "b"))];
  const results = await Promise.allSettled(calls);
  assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const rejected = results.find((result) => result.status === "rejected");
  assert.equal(rejected?.reason.code, "INVALID_ARGUMENT");
  assert.ok(server.listening);
  assert.equal(readdirSync(directory).length, 1);
  await assert.rejects(bindSocketFile(server, join(directory, "c")), { code: "INVALID_ARGUMENT" });
  assert.equal(readdirSync(directory).length, 1);
});

test("a server that is closed while it starts leaves nothing", async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "a.sock");
  for (const isStale of [false, true]) {
    const server = temporaryServer(t);
    if (isStale) await leaveStaleSocket(path);
    server.once("listening", () => server.close());
    await assert.rejects(bindSocketFile(server, path), { code: "CANCELLED" });
    assert.deepEqual(readdirSync(directory), isStale ? ["a.sock"] : []);
  }
});

test("an error of listen is translated, and nothing is left", async (t) => {
  const directory = temporaryDirectory(t);
  const server = createServer();
  server.listen = () => {
    process.nextTick(() => server.emit("error", Object.assign(new Error("no more"), { code: "EMFILE" })));
    return server;
  };
  await assert.rejects(bindSocketFile(server, join(directory, "a.sock")), { code: "OVERLOADED", op: "listen" });
  assert.deepEqual(readdirSync(directory), []);
});

test("a path at the limit works, also where the temporary names are too long; one byte more does not", async (t) => {
  const directory = temporaryDirectory(t);
  const limit = process.platform === "linux" ? 107 : 103;
  const paths = [
    join(directory, "x".repeat(limit - directory.length - 1)),
    // Short names in a long directory: nothing can be added.
    join(directory, "d".repeat(limit - directory.length - 4), "ab"),
    join(directory, `${"é".repeat(Math.floor((limit - directory.length - 3) / 2))}`, "a"),
  ];
  for (const path of process.platform === "linux" ? paths : paths.slice(0, 1)) {
    for (const isStale of [false, true]) {
      const server = temporaryServer(t);
      if (isStale) await leaveStaleSocket(path, join(directory, "dead"));
      await bindSocketFile(server, path);
      const socket = connect(path);
      await once(socket, "connect");
      socket.destroy();
      await assert.rejects(bindSocketFile(temporaryServer(t), path), { code: "ADDRESS_IN_USE" });
      server.close();
      assert.equal(existsSync(path), false);
    }
    const excess = limit + 1 - Buffer.byteLength(path);
    await assert.rejects(bindSocketFile(temporaryServer(t), `${path}${"x".repeat(excess)}`), {
      code: "ADDRESS_TOO_LONG",
    });
  }
});

test("relative paths, and directories that are missing or unsafe", async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "one", "two", "a.sock");
  const file = await bindSocketFile(temporaryServer(t), relative(process.cwd(), path));
  assert.equal(file.path, path);
  assert.equal(statSync(join(directory, "one")).mode & 0o7777, 0o700);

  chmodSync(directory, 0o777);
  await assert.rejects(bindSocketFile(temporaryServer(t), join(directory, "a")), { code: "UNSAFE_DIRECTORY" });
  chmodSync(directory, 0o1777);
  await bindSocketFile(temporaryServer(t), join(directory, "a"));
});

test("what is not the path of a file, or not a mode, is refused", async (t) => {
  for (const path of ["", "a\0b", "/tmp/"]) {
    await assert.rejects(bindSocketFile(temporaryServer(t), path), { code: "INVALID_ADDRESS" });
  }
  for (const mode of [-1, 0o1000, 1.5, Number.NaN]) {
    await assert.rejects(bindSocketFile(temporaryServer(t), "/tmp/a", { mode }), { code: "INVALID_ARGUMENT" });
  }
});
