import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, linkSync, readdirSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Client, dial, EarshotError, listen } from "../../src/index.js";
import { IdleExit } from "../../src/peer/idle-exit.js";
import { Child, until } from "../support/children.js";
import { compileFixture } from "../support/starter.js";
import { connect, cut, outcome, rejection, serve, socketPath } from "./support.js";

const IS_OLD_NET = process.env.EARSHOT_TRANSPORT === "net" && process.versions.node.startsWith("20.");
/** `EARSHOT_IDLE_EXITS=10000` for all that is promised. */
const EXITS = Number(process.env.EARSHOT_IDLE_EXITS ?? 200);

test("a server that nobody uses leaves, and its file with it", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, () => "", { idleExitMs: 30 });
  await server.closed;
  assert.deepEqual(readdirSync(dirname(address)), []);
  assert.equal((await rejection(dial(address))).code, "NO_SERVER");
});

/** As long as a server like it stays that nobody uses. */
async function spell(t: TestContext, idleExitMs: number): Promise<void> {
  await (await listen(socketPath(t), () => "", { idleExitMs })).closed;
}

test("it stays while anybody is connected, also when nothing happens, and for as long again after the last", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, () => "", { idleExitMs: 50 });
  t.after(() => cut(server));
  const [one, other] = [await connect(t, server), await connect(t, server)];
  await one.send("x");
  await one.close();
  await spell(t, 50);
  await spell(t, 50);
  assert.equal(await outcome(other.send("x")), "reply ");
  const closedAt = performance.now();
  await other.close();
  await server.closed;
  assert.ok(performance.now() - closedAt >= 49);
});

test("without the option it stays", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, () => "still here");
  t.after(() => cut(server));
  await (await connect(t, server)).close();
  await spell(t, 100);
  assert.equal(await outcome((await connect(t, server)).send("x")), "reply still here");
});

test("closing it while it leaves is no different", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, () => "", { idleExitMs: 10 });
  while (existsSync(address)) await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  assert.deepEqual(readdirSync(dirname(address)), []);
});

/** Connects where the file is while its server leaves: as one who has looked for it before. */
async function arriveLate(t: TestContext, address: string): Promise<Client> {
  for (;;) {
    const directory = dirname(address);
    const hidden = readdirSync(directory).find((name) => name.includes(".new-"));
    if (hidden !== undefined) return await connect(t, { address: join(directory, hidden, "s") });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("who comes while it leaves keeps it, for as long as it likes", async (t) => {
  const address = socketPath(t);
  // However slow this machine is, who comes is in time.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = await listen(address, (message) => message.bytes, { idleExitMs: 20 });
  t.mock.timers.tick(20);
  const client = await arriveLate(t, address);
  t.mock.timers.reset();
  await spell(t, 200);
  assert.equal(await outcome(client.send("late")), "reply late");
  const other = await connect(t, server);
  assert.equal(await outcome(other.send("later")), "reply later");
  await client.close();
  await other.close();
  // Before the next test takes the timers by which it leaves.
  await server.closed;
});

test("when another has the address by then, who came is served all the same", async (t) => {
  const address = socketPath(t);
  const other = await serve(t, () => "other");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = await listen(address, (message) => message.bytes, { idleExitMs: 20 });
  t.mock.timers.tick(20);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!existsSync(address));
  linkSync(other.address.slice("unix:".length), address);
  const late = await arriveLate(t, address);
  t.mock.timers.reset();
  // For longer than a server that is closed would wait.
  await spell(t, 200);
  assert.equal(await outcome(late.send("late")), "reply late");
  assert.equal(await outcome((await connect(t, { address })).send("x")), "reply other");
  await late.close();
  await server.closed;
});

test("who comes to an abstract name while its server leaves keeps it, too", async (t) => {
  if (IS_OLD_NET) return;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = await listen(`unix:@earshot-kept-${process.pid}`, (message) => message.bytes, { idleExitMs: 20 });
  t.after(() => cut(server));
  t.mock.timers.tick(20);
  await new Promise((resolve) => setImmediate(resolve));
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("late")), "reply late");
  // The end of the time in which it is heard.
  t.mock.timers.tick(100);
  t.mock.timers.reset();
  await spell(t, 200);
  assert.equal(await outcome((await connect(t, server)).send("later")), "reply later");
  assert.equal(await outcome(client.send("still")), "reply still");
});

test("who has come while a server was busy has come before its time was over", async (t) => {
  let hasLeft = false;
  const idleExit = new IdleExit(20, () => {
    hasLeft = true;
  });
  const address = socketPath(t);
  const server = createServer(() => idleExit.stop()).listen(address);
  t.after(() => server.close());
  await once(server, "listening");
  idleExit.start();
  const caller = createConnection(address);
  t.after(() => caller.destroy());
  for (const end = performance.now() + 50; performance.now() < end; );
  await spell(t, 50);
  assert.equal(hasLeft, false);
});

test("a server that is busy as it leaves still hears who has come meanwhile, and stays", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, (message) => message.bytes, { idleExitMs: 20 });
  t.after(() => cut(server));
  let hidden: string | undefined;
  while (hidden === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    hidden = readdirSync(dirname(address)).find((name) => name.includes(".new-"));
  }
  const caller = createConnection(join(dirname(address), hidden, "s"));
  t.after(() => caller.destroy());
  for (const end = performance.now() + 50; performance.now() < end; );
  await spell(t, 100);
  assert.equal(await outcome((await connect(t, server)).send("x")), "reply x");
});

test("an abstract name is left, too", async () => {
  // Node 20 has no exact abstract names.
  if (IS_OLD_NET) return;
  const address = `unix:@earshot-idle-${process.pid}`;
  const server = await listen(address, () => "", { idleExitMs: 20 });
  await server.closed;
  assert.equal((await rejection(dial(address))).code, "NO_SERVER");
});

/** How a caller at a random moment fares; `undefined` when it found nobody, and so knows that nothing is there. */
async function call(address: string): Promise<string | undefined> {
  let client: Client;
  try {
    client = await dial(address);
  } catch (error) {
    if (error instanceof EarshotError && error.code === "NO_SERVER") return undefined;
    throw error;
  }
  // Some say something at once, some only later.
  if (Math.random() < 0.3) await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
  const became = await outcome(client.send("hello"));
  await client.close();
  return became;
}

test(`of callers at random moments none is dropped by servers that leave ${EXITS} times`, async (t) => {
  const address = socketPath(t);
  const child = await Child.startCompiled(t, await compileFixture(t, "idle-server"));
  await child.call("begin", { address, idleExitMs: 3 });
  let isDone = false;
  let answered = 0;
  const callers = [0, 1].map(async () => {
    while (!isDone) {
      const became = await call(address);
      if (became !== undefined) {
        assert.equal(became, "reply hello");
        answered++;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      // Timers have steps of a millisecond, and what is looked for lasts microseconds.
      for (const end = performance.now() + Math.random(); performance.now() < end; );
    }
  });
  const enough = until(async () => ((await child.call("exits")) as number) >= EXITS, `${EXITS} exits`, 600_000);
  await Promise.race([enough, Promise.all(callers)]);
  isDone = true;
  await Promise.all(callers);
  assert.ok(answered > EXITS / 10, `only ${answered} calls were answered`);
  await child.call("end");
  await until(() => !existsSync(address), "the last to leave");
});

test("wrong numbers are refused", async (t) => {
  for (const idleExitMs of [-1, 1.5, Number.NaN, 2 ** 31]) {
    const error = await rejection(listen(socketPath(t), () => "", { idleExitMs }));
    assert.match(error.message, /^Cannot use idleExitMs: .*; it is a whole number from 0 to 2147483647$/);
  }
});
