import assert from "node:assert/strict";
import { createConnection } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { dial } from "../../src/index.js";
import { until } from "../support/children.js";
import { Daemons } from "../support/daemons.js";
import { Program } from "../support/process.js";
import { compileFixture } from "../support/starter.js";
import { connect, outcome, rejection } from "./support.js";

test("a caller that gives up is told so at once, and the others get the server", async (t) => {
  const daemons = await Daemons.prepare(t);
  const abort = new AbortController();
  const start = daemons.start({ delayMs: 1_500 });
  const first = rejection(dial(daemons.address, { start, signal: abort.signal }));
  while (daemons.pids("begun").length === 0) await new Promise((resolve) => setImmediate(resolve));
  const second = connect(t, daemons, { start });
  const third = rejection(dial(daemons.address, { start, signal: abort.signal }));
  await toWait();
  abort.abort(new Error("enough"));
  for (const error of [await first, await third]) {
    assert.deepEqual([error.code, (error.cause as Error).message], ["CANCELLED", "enough"]);
  }
  assert.match(await outcome((await second).send("who?")), /^reply/);
  // What the first has started, the second goes on to wait for.
  assert.equal(daemons.pids("begun").length, 1);
});

/** For callers to find out that another one starts it: of that nothing can be seen. */
function toWait(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}

test("what a caller that has given up leaves behind is waited for only while it runs, and not longer than may be", async (t) => {
  for (const isKilled of [true, false]) {
    const daemons = await Daemons.prepare(t);
    const abort = new AbortController();
    const start = daemons.start({ delayMs: 60_000 }, { readyTimeoutMs: isKilled ? 60_000 : 1_500 });
    const first = rejection(dial(daemons.address, { start, signal: abort.signal }));
    while (daemons.pids("begun").length === 0) await new Promise((resolve) => setImmediate(resolve));
    const secondAbort = new AbortController();
    const second = rejection(dial(daemons.address, { start, signal: secondAbort.signal }));
    await toWait();
    abort.abort();
    await first;
    const [pid = 0] = daemons.pids("begun");
    if (isKilled) {
      process.kill(pid, "SIGKILL");
      await until(() => daemons.pids("begun").length === 2, "the second caller to start one of its own");
      secondAbort.abort();
      assert.equal((await second).code, "CANCELLED");
    } else {
      const { code, message } = await second;
      assert.equal(code, "START_FAILED");
      assert.match(message, /another caller, which has given up, but after 1500 ms it is not ready, and was ended; /);
      await daemons.gone(pid);
      assert.deepEqual(daemons.pids("begun"), [pid]);
    }
  }
});

test("who waits and stands still does not keep the starter alive", async (t) => {
  const daemons = await Daemons.prepare(t);
  const program = await compileFixture(t, "start-client");
  const order = { address: daemons.address, options: { start: daemons.start({ delayMs: 300 }) }, count: 1 };
  const starter = new Program(t, process.execPath, [program, JSON.stringify(order)]);
  while (daemons.pids("begun").length === 0) await new Promise((resolve) => setImmediate(resolve));
  const waiter = createConnection({ path: join(daemons.directory, ".s.start"), allowHalfOpen: true });
  t.after(() => waiter.destroy());
  waiter.on("error", () => {});
  // It does not even see the end.
  waiter.pause();
  const { code, stdout } = await starter.ended;
  assert.deepEqual([code, String(stdout)], [0, String(daemons.pids("begun")[0])]);
  let word = "";
  for await (const text of waiter.setEncoding("utf8")) word += text;
  assert.match(word, /^\{"what":".*"\}\n$/);
});
