import assert from "node:assert/strict";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openOutbox } from "../../src/outbox/open.js";
import { Child, until } from "../support/children.js";
import { compileFixture } from "../support/starter.js";
import { temporaryDirectory } from "../support/temp.js";

interface Place {
  readonly program: string;
  readonly directory: string;
  readonly address: string;
  readonly posted: string;
  readonly handled: string;
}

async function place(t: TestContext): Promise<Place> {
  const parent = temporaryDirectory(t);
  const file = (name: string) => join(parent, name);
  const program = await compileFixture(t, "outbox-worker");
  // The program is a bundle somewhere else, and finds lmdb all the same.
  symlinkSync(fileURLToPath(new URL("../../node_modules", import.meta.url)), join(dirname(program), "node_modules"));
  const files = { posted: file("posted"), handled: file("handled") };
  return { program, directory: file("outbox"), address: file("server.sock"), ...files };
}

function lines(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(0, -1);
  } catch {
    return [];
  }
}

/** The first time that each was handled, in order. */
function firsts(handled: readonly string[], key: string): readonly number[] {
  const own = handled.filter((line) => line.startsWith(`${key} `)).map((line) => Number(line.split(" ")[1]));
  return [...new Set(own)];
}

/** What a process with an outbox is told. */
const OPTIONS = { retry: { minDelayMs: 5, maxDelayMs: 20 } };

test("sender and server are killed again and again: what was accepted is handled, in the order of its key", async (t) => {
  const { program, directory, address, posted, handled } = await place(t);
  const startServer = async () => {
    const server = await Child.startCompiled(t, program);
    await server.call("listen", { address, log: handled });
    return server;
  };
  const startSender = async () => {
    const sender = await Child.startCompiled(t, program);
    await sender.call("open", { directory, options: { ...OPTIONS, address } });
    return sender;
  };
  let server = await startServer();
  let sender = await startSender();
  for (let round = 0; round < 12; round++) {
    const killsServer = round % 3 === 2;
    const before = lines(killsServer ? handled : posted).length;
    const posting = sender.call("post", { from: round * 1_000, count: 400, keys: 4, log: posted }).catch(() => {});
    // In the middle of it: at another place each time.
    await until(() => lines(killsServer ? handled : posted).length >= before + 20 + 13 * round, "some to be through");
    if (killsServer) {
      await server.kill();
      server = await startServer();
    } else {
      await sender.kill();
      sender = await startSender();
    }
    await posting;
  }
  await sender.call("flush", { timeoutMs: 30_000 });
  const all = lines(handled);
  const missing = lines(posted).filter((line) => !all.includes(line));
  assert.deepEqual(missing, []);
  for (const key of ["0", "1", "2", "3"]) {
    const order = firsts(all, key);
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
      `key ${key}`,
    );
  }
  assert.ok(lines(posted).length > 1_000, `${lines(posted).length} were posted`);
});

test("two processes share an outbox: one delivers for both, and the other goes on when it is killed", async (t) => {
  const { program, directory, address, posted, handled } = await place(t);
  const server = await Child.startCompiled(t, program);
  await server.call("listen", { address, log: handled });
  const [first, second] = [await Child.startCompiled(t, program), await Child.startCompiled(t, program)];
  assert.equal(await first.call("open", { directory, options: { ...OPTIONS, address } }), true);
  assert.equal(await second.call("open", { directory, options: { ...OPTIONS, address } }), false);
  await second.call("post", { from: 0, count: 50, keys: 3, log: posted });
  await second.call("flush", { timeoutMs: 20_000 });
  assert.equal(lines(handled).length, 50);
  assert.equal(((await second.call("stats")) as { isDelivering: boolean }).isDelivering, false);

  await first.kill();
  await second.call("post", { from: 50, count: 50, keys: 3, log: posted });
  await second.call("flush", { timeoutMs: 20_000 });
  assert.deepEqual([...new Set(lines(handled))].sort(), [...lines(posted)].sort());
  assert.equal(((await second.call("stats")) as { isDelivering: boolean }).isDelivering, true);
});

test("who closes its outbox gives the turn to the other, and nothing is sent twice", async (t) => {
  const { program, directory, address, posted, handled } = await place(t);
  const server = await Child.startCompiled(t, program);
  await server.call("listen", { address, log: handled });
  const first = await Child.startCompiled(t, program);
  const second = await Child.startCompiled(t, program);
  await first.call("open", { directory, options: { ...OPTIONS, address } });
  await second.call("open", { directory, options: { ...OPTIONS, address } });
  const posting = second.call("post", { from: 0, count: 2_000, keys: 50, log: posted });
  await until(() => lines(handled).length > 200, "some to be handled");
  await first.call("closeOutbox");
  await posting;
  await second.call("flush", { timeoutMs: 20_000 });
  assert.deepEqual([...lines(handled)].sort(), [...lines(posted)].sort());
});

test("a process that only posts leaves its messages to the one that delivers, or to a later one", async (t) => {
  const { program, directory, address, posted, handled } = await place(t);
  const server = await Child.startCompiled(t, program);
  await server.call("listen", { address, log: handled });
  const poster = await Child.startCompiled(t, program);
  await poster.call("open", { directory, options: { deliver: false } });
  await poster.call("post", { from: 0, count: 10, keys: 1, log: posted });
  const outbox = await openOutbox(directory, { address });
  t.after(() => outbox.close());
  await outbox.flush();
  assert.equal(lines(handled).length, 10);
  await poster.call("post", { from: 10, count: 10, keys: 1, log: posted });
  await poster.call("flush", { timeoutMs: 20_000 });
  assert.deepEqual(lines(handled), lines(posted));
});

test("without the package lmdb it is said what to install, and nothing is made", async (t) => {
  const program = await compileFixture(t, "outbox-worker");
  const directory = join(temporaryDirectory(t), "outbox");
  const child = await Child.startCompiled(t, program);
  const fact = "it needs the package lmdb, which is not installed: npm install lmdb";
  await assert.rejects(child.call("open", { directory, options: { address: "nowhere" } }), {
    message: `open: EarshotError: Cannot open the outbox "${directory}": ${fact}`,
  });
  assert.equal(existsSync(directory), false);
});
