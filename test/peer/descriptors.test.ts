import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, linkSync, openSync, readdirSync, readSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer, Socket } from "node:net";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { type Client, dial, type Message } from "../../src/index.js";
import { chooseLane, chooseSockets } from "../../src/transport/kind.js";
import { Child, until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { connect, cut, outcome, rejection, serve, socketPath } from "./support.js";

const IS_NATIVE = chooseSockets("auto").kind === "native";
const ROUNDS = Number(process.env.EARSHOT_DESCRIPTOR_ROUNDS ?? 100_000);

interface Setting {
  readonly child: Child;
  readonly client: Client;
  readonly address: string;
}

async function start(t: TestContext, handler: string): Promise<Setting> {
  const address = socketPath(t);
  const child = await Child.start(t, "descriptor-server");
  await child.call("listen", { address, handler });
  // From the first message on: a change of the way in the middle would be counted.
  const lane = chooseLane(undefined) === "socket" ? "socket" : "shared";
  const client = await dial(address, { maxDescriptors: 253, lane });
  t.after(() => cut(client));
  // With the second answer both sides have all that the connection needs, shared memory too.
  for (let pings = 0; pings < 2; pings++) await client.ping();
  return { child, client, address };
}

/** A file, both ends of a pipe, and a listening socket; their descriptors are closed with the test. */
function openFiles(t: TestContext): number[] {
  const path = join(temporaryDirectory(t), "file");
  writeFileSync(path, "what is in the file");
  const fds = [openSync(path, "r+")];
  const fifo = join(temporaryDirectory(t), "fifo");
  spawnSync("mkfifo", [fifo]);
  fds.push(openSync(fifo, "r+"));
  t.after(() => {
    for (const fd of fds) closeSync(fd);
  });
  return fds;
}

function inodes(fds: readonly number[]): string {
  return fds.map((fd) => fstatSync(fd).ino).join(" ");
}

function dispose(reply: Message): void {
  reply[Symbol.dispose]();
}

async function expectSame(read: () => number | Promise<number>, before: number): Promise<void> {
  await until(async () => (await read()) === before, `descriptors to be ${before} again`, 5_000);
}

const own = () => readdirSync("/proc/self/fd").length;

if (IS_NATIVE) {
  test("a file and a pipe arrive and can be used, in both directions", async (t) => {
    const { client } = await start(t, "use");
    const fds = openFiles(t);
    const reply = await client.send("use them", { descriptors: fds });
    assert.equal(reply.text(), "what is in the file");
    const buffer = Buffer.alloc(100);
    assert.match(buffer.toString("utf8", 0, readSync(fds[1]!, buffer)), /^written by \d+$/);
  });

  test("a listening socket arrives, and who gets it serves its callers", async (t) => {
    const path = socketPath(t);
    const listening = createServer().listen(path);
    await new Promise((resolve) => listening.once("listening", resolve));
    const { fd } = (listening as unknown as { _handle: { fd: number } })._handle;
    const server = await serve(t, (message) => {
      const heir = createServer((socket) => socket.end("from the heir")).listen({ fd: message.descriptors[0]!.take() });
      t.after(() => heir.close());
      return "taken";
    });
    const client = await connect(t, server);
    assert.equal(await outcome(client.send("x", { descriptors: [fd] })), "reply taken");
    // Node removes the path with its own server.
    linkSync(path, `${path}2`);
    await new Promise((resolve) => listening.close(resolve));
    const socket = connectSocket(`${path}2`);
    assert.equal(await readText(socket), "from the heir");
  });

  test(`${ROUNDS} messages with descriptors, among large ones, each with its own, and none is left`, async (t) => {
    const { child, client } = await start(t, "echo");
    const fds = openFiles(t);
    const large = Buffer.alloc(1_048_576, "x");
    await client.send("");
    const before = [own(), await child.call("descriptors")] as [number, number];
    let left = ROUNDS;
    const lane = async (number: number) => {
      while (left-- > 0) {
        const count = (left + number) % 4;
        const descriptors = Array.from({ length: count }, (_, index) => fds[(left + index) % 2]!);
        if (left % 50 === 0) dispose(await client.send(large, { descriptors }));
        const reply = await client.send(inodes(descriptors), { descriptors });
        assert.equal(inodes(reply.descriptors.map(({ fd }) => fd)), inodes(descriptors));
        assert.equal(reply.text(), inodes(descriptors));
        dispose(reply);
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, number) => lane(number)));
    await expectSame(own, before[0]);
    await expectSame(async () => Number(await child.call("descriptors")), before[1]);
  });

  for (const handler of ["use", "fail", "take"] as const) {
    test(`a handler that does "${handler}" leaves no descriptor behind`, async (t) => {
      const { child, client } = await start(t, handler);
      const fds = openFiles(t);
      await outcome(client.send("x", { descriptors: fds }));
      const before = [own(), Number(await child.call("descriptors"))] as const;
      for (let round = 0; round < 100; round++) await outcome(client.send("x", { descriptors: fds }));
      assert.equal(own(), before[0]);
      await expectSame(async () => Number(await child.call("descriptors")), before[1]);
      if (handler === "take") assert.equal(await child.call("taken"), 202);
    });
  }

  test("a connection that dies halfway, on either side, leaves none behind", async (t) => {
    const { child, address } = await start(t, "never");
    const fds = openFiles(t);
    const before = [own(), Number(await child.call("descriptors"))] as const;
    for (let round = 0; round < 20; round++) {
      const client = await dial(address, { maxDescriptors: 253 });
      await client.ping();
      const sending = [
        client.send("x", { descriptors: fds }),
        client.send(Buffer.alloc(4_000_000), { descriptors: fds }),
        client.send("y", { descriptors: fds }),
      ].map(outcome);
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      await cut(client);
      await Promise.all(sending);
    }
    await expectSame(own, before[0]);
    // The handlers never settle; what they had is theirs, and no other: two messages of two each at most.
    await until(async () => Number(await child.call("connections")) === 1, "the clients to be gone");
    assert.ok(Number(await child.call("descriptors")) <= before[1] + 20 * 6);
    const last = await dial(address);
    await last.ping();
    const pending = outcome(last.send("x", { descriptors: fds }));
    await child.kill();
    assert.equal(await pending, "CONNECTION_LOST unknown");
    // What belonged to the child is gone as well.
    await until(() => own() < before[0], "the descriptors to be closed");
  });

  test("the limit is refused before anything leaves: more than the server takes, more than a message can have", async (t) => {
    const server = await serve(t, (message) => String(message.descriptors.length), { maxDescriptors: 3 });
    const client = await connect(t, server);
    const [fd] = openFiles(t);
    await client.ping();
    const before = own();
    const many = (count: number) => Array.from({ length: count }, () => fd!);
    assert.equal(await outcome(client.send("x", { descriptors: many(3) })), "reply 3");
    assert.equal(await outcome(client.send("x", { descriptors: many(4) })), "MESSAGE_TOO_LARGE unsent");
    assert.equal((await rejection(client.send("x", { descriptors: many(254) }))).code, "INVALID_ARGUMENT");
    await expectSame(own, before);
    const widest = await serve(t, (message) => String(message.descriptors.length), { maxDescriptors: 253 });
    const other = await connect(t, widest);
    assert.equal(await outcome(other.send("x", { descriptors: many(253) })), "reply 253");
  });

  test("what is no open descriptor is refused, and so is one that was taken", async (t) => {
    const server = await serve(t, (message) => ({ data: "x", descriptors: message.descriptors }));
    const client = await connect(t, server);
    for (const descriptors of [[-1], [1.5], ["3"], [null], [{}], [987_654], 3]) {
      assert.equal((await rejection(client.send("x", { descriptors: descriptors as never }))).code, "INVALID_ARGUMENT");
    }
    const [file] = openFiles(t);
    const before = own();
    for (const wrong of [{ timeoutMs: -1 }, { signal: 5 as never }]) {
      assert.equal((await rejection(client.send("x", { descriptors: [file!], ...wrong }))).code, "INVALID_ARGUMENT");
    }
    assert.equal(own(), before);
    const reply = await client.send("x", { descriptors: [file!] });
    const [descriptor] = reply.descriptors;
    closeSync(descriptor!.take());
    assert.throws(() => descriptor!.fd, { code: "INVALID_ARGUMENT" });
    dispose(reply);
    assert.equal((await rejection(client.send("x", { descriptors: [descriptor!] }))).code, "INVALID_ARGUMENT");
  });

  test("a child that is started meanwhile inherits none", async (t) => {
    const fds = openFiles(t);
    const server = await serve(t, (message) => {
      assert.equal(message.descriptors.length, 2);
      return spawnSync("ls", ["/proc/self/fd"], { encoding: "utf8" }).stdout;
    });
    const client = await connect(t, server);
    const without = spawnSync("ls", ["/proc/self/fd"], { encoding: "utf8" }).stdout;
    assert.equal((await client.send("x", { descriptors: fds })).text(), without);
  });

  test("the sender may close its own at once", async (t) => {
    const server = await serve(t, (_, { descriptors }) => String(fstatSync(descriptors[0]!.fd).ino));
    const client = await connect(t, server);
    const path = join(temporaryDirectory(t), "file");
    writeFileSync(path, "");
    const fd = openSync(path, "r");
    const { ino } = fstatSync(fd);
    const sending = outcome(client.send("x", { descriptors: [fd] }));
    closeSync(fd);
    assert.equal(await sending, `reply ${ino}`);
  });

  test("a descriptor can become a socket of Node's", async (t) => {
    const listening = createServer((socket) => socket.end("hello"));
    const path = socketPath(t);
    await new Promise<void>((resolve) => listening.listen(path, resolve));
    t.after(() => listening.close());
    const server = await serve(t, async (message) => {
      const socket = new Socket({ fd: message.descriptors[0]!.take() });
      return await readText(socket);
    });
    const client = await connect(t, server);
    // Paused: it would read what is there for the other.
    const socket = connectSocket(path).pause();
    await new Promise((resolve) => socket.once("connect", resolve));
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const sending = outcome(client.send("x", { descriptors: [fd] }));
    assert.equal(await sending, "reply hello");
    socket.destroy();
  });
}

for (const [dialing, listening] of [
  ["net", "native"],
  ["native", "net"],
  ["net", "net"],
] as const) {
  test(`between ${dialing} and ${listening} descriptors are refused, not lost`, async (t) => {
    if (!IS_NATIVE && `${dialing}${listening}` !== "netnet") return;
    const server = await serve(t, () => "x", { transport: listening });
    const client = await connect(t, server, { transport: dialing });
    const error = await rejection(client.send("x", { descriptors: [openFiles(t)[0]!] }));
    assert.equal(error.code, "UNSUPPORTED");
    assert.equal(await outcome(client.send("without")), "reply x");
  });
}

test("the plain wire has no descriptors", async (t) => {
  const server = await serve(t, () => "x");
  const client = await connect(t, server, { wire: "plain" });
  assert.equal((await rejection(client.send("x", { descriptors: [openFiles(t)[0]!] }))).code, "UNSUPPORTED");
  assert.equal(await outcome(client.send("without")), "reply x");
});
