import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { type Client, dial, EarshotError, listen } from "../../src/index.js";
import { Child, until } from "../support/children.js";
import { compileFixture } from "../support/starter.js";
import { connect, cut, outcome, rejection, socketPath } from "./support.js";

/** `EARSHOT_IDLE_EXITS=10000` for all that is promised. */
const EXITS = Number(process.env.EARSHOT_IDLE_EXITS ?? 200);

test("a server that nobody uses leaves, and its file with it", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, () => "", { idleExitMs: 30 });
  await server.closed;
  assert.deepEqual(readdirSync(dirname(address)), []);
  assert.equal((await rejection(dial(address))).code, "NO_SERVER");
});

test("it stays while anybody is connected, also when nothing happens, and for as long again after the last", async (t) => {
  const address = socketPath(t);
  const server = await listen(address, () => "", { idleExitMs: 50 });
  t.after(() => cut(server));
  let hasLeft = false;
  void server.closed.then(() => {
    hasLeft = true;
  });
  const [one, other] = [await connect(t, server), await connect(t, server)];
  await one.send("x");
  await one.close();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(hasLeft, false);
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
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await outcome((await connect(t, server)).send("x")), "reply still here");
});

test("closing it while it leaves is no different", async (t) => {
  for (let ms = 0; ms < 40; ms += 4) {
    const address = socketPath(t);
    const server = await listen(address, () => "", { idleExitMs: 10 });
    await new Promise((resolve) => setTimeout(resolve, ms));
    await server.close();
    assert.deepEqual(readdirSync(dirname(address)), []);
  }
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
