import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, EarshotError } from "../../src/index.js";
import { Child } from "../support/children.js";
import { Daemons } from "../support/daemons.js";
import { compileFixture } from "../support/starter.js";
import { connect, outcome } from "./support.js";

/** `EARSHOT_START_ROUNDS=100 EARSHOT_START_CALLERS=100` for all that is promised. */
const ROUNDS = Number(process.env.EARSHOT_START_ROUNDS ?? 5);
const CALLERS = Number(process.env.EARSHOT_START_CALLERS ?? 20);
const KILLS = Math.ceil(ROUNDS / 2);
const PROCESSES = 5;

test(`${CALLERS} callers in ${PROCESSES} processes race to start a daemon, ${ROUNDS} times: one each time, which answers all`, async (t) => {
  const daemons = await Daemons.prepare(t);
  const program = await compileFixture(t, "start-client");
  const processes = await Promise.all(Array.from({ length: PROCESSES }, () => Child.startCompiled(t, program)));
  const order = { address: daemons.address, options: { start: daemons.start() }, count: CALLERS / PROCESSES };
  for (let round = 1; round <= ROUNDS; round++) {
    const replies = (await Promise.all(processes.map((child) => child.call("race", order)))).flat();
    const pids = daemons.pids("begun");
    const pid = pids.at(-1) ?? 0;
    assert.equal(pids.length, round, `${pids.length} were started in ${round} rounds`);
    assert.deepEqual(replies, Array(CALLERS).fill(String(pid)), `round ${round}`);
    // Some leave as they should, and some leave their file behind.
    if (round % 2 === 0) process.kill(pid, "SIGKILL");
    else assert.equal(await outcome((await connect(t, daemons)).send("stop")), "reply stopping");
    await daemons.gone(pid);
  }
});

test(`with one of the processes killed at a random moment the others are answered, by one daemon, ${KILLS} times`, async (t) => {
  const daemons = await Daemons.prepare(t);
  const program = await compileFixture(t, "start-client");
  const order = { address: daemons.address, options: { start: daemons.start() }, count: CALLERS / PROCESSES };
  for (let round = 1; round <= KILLS; round++) {
    const processes = await Promise.all(Array.from({ length: PROCESSES }, () => Child.startCompiled(t, program)));
    const [victim, ...others] = processes.map((child) => ({ child, racing: child.call("race", order) }));
    victim!.racing.catch(() => {});
    const timer = setTimeout(() => victim!.child.process.kill("SIGKILL"), Math.random() * 150);
    const replies = (await Promise.all(others.map(({ racing }) => racing))).flat();
    clearTimeout(timer);
    assert.equal(new Set(replies).size, 1, `round ${round}: ${[...new Set(replies)].join()}`);
    const [reply] = replies;
    assert.ok(daemons.pids("listening").includes(Number(reply)), String(reply));
    for (const { child } of [victim!, ...others]) await child.kill();
    await daemons.kill();
  }
});

test("callers who start it whenever it has left are always answered", async (t) => {
  const daemons = await Daemons.prepare(t);
  const start = daemons.start({ idleExitMs: 10 });
  for (let left = 0; left < ROUNDS * 2; left = daemons.pids("left").length) {
    const client = await dial(daemons.address, { start });
    try {
      assert.match((await client.send("who?")).text(), /^\d+$/);
    } catch (error) {
      assert.fail(error instanceof EarshotError ? `${error.code}: ${error.message}` : String(error));
    } finally {
      await client.close();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
  }
});
