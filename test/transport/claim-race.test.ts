import assert from "node:assert/strict";
import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bindSocketFile } from "../../src/transport/socket-file.js";
import { compileFixture, leaveStaleSocket, Starter, whoAnswers } from "../support/starter.js";
import { temporaryDirectory, temporaryServer } from "../support/temp.js";

const { EARSHOT_RACE_ROUNDS = "200", EARSHOT_KILL_ROUNDS = "25", EARSHOT_SEED = "1" } = process.env;
const ROUNDS = Number(EARSHOT_RACE_ROUNDS);
const KILL_ROUNDS = Number(EARSHOT_KILL_ROUNDS);

test(`of 50 servers that find the same stale file exactly one listens, ${ROUNDS} times`, async (t) => {
  const program = await compileFixture(t, "starter");
  const directory = temporaryDirectory(t);
  const path = join(directory, "race.sock");
  const starters = await Promise.all(Array.from({ length: 50 }, () => Starter.start(t, program)));
  for (let round = 0; round < ROUNDS; round++) {
    await leaveStaleSocket(path, join(directory, "dead"));
    const outcomes = await Promise.all(starters.map((starter) => starter.order({ do: "listen", path })));
    const winners = outcomes.filter((outcome) => outcome?.result === "listening");
    const losers = outcomes.filter((outcome) => outcome?.result === "ADDRESS_IN_USE");
    assert.equal(winners.length, 1, `round ${round}: ${winners.length} listen`);
    assert.equal(losers.length, 49, `round ${round}: ${JSON.stringify(outcomes)}`);
    assert.equal(await whoAnswers(path), winners[0]!.pid);
    assert.deepEqual(readdirSync(directory), ["race.sock"]);
    const winner = starters.find((starter) => starter.pid === winners[0]!.pid);
    assert.equal((await winner?.order({ do: "close" }))?.result, "closed");
    assert.deepEqual(readdirSync(directory), []);
  }
});

test(`killing servers while they start never lets two live, nor blocks the path, ${KILL_ROUNDS} times`, async (t) => {
  const program = await compileFixture(t, "starter");
  const directory = temporaryDirectory(t);
  const path = join(directory, "race.sock");
  let starters = await Promise.all(Array.from({ length: 12 }, () => Starter.start(t, program)));
  // Taking over lasts some 70 ms on an idle machine.
  const random = randomNumbers(Number(EARSHOT_SEED));
  await leaveStaleSocket(path);
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const outcomes = await Promise.all(
      starters.map(async (starter) => {
        const isVictim = random() < 0.6;
        const timer = setTimeout(() => isVictim && starter.child.kill("SIGKILL"), random() * 120);
        const outcome = await starter.order({ do: "listen", path });
        // Those that listened first and were killed then have left a stale file to the others.
        if (isVictim) await starter.kill();
        clearTimeout(timer);
        return isVictim ? undefined : outcome;
      }),
    );
    const winners = outcomes.filter((outcome) => outcome?.result === "listening");
    assert.ok(winners.length <= 1, `round ${round}: ${winners.length} listen`);
    for (const outcome of outcomes) {
      assert.ok(["listening", "ADDRESS_IN_USE", undefined].includes(outcome?.result), JSON.stringify(outcome));
    }
    if (winners[0] !== undefined) assert.equal(await whoAnswers(path), winners[0].pid, `round ${round}`);
    // A winner that is killed leaves the next round's stale file.
    await starters.find((starter) => starter.pid === winners[0]?.pid)?.kill();
    starters = await Promise.all(
      starters.map((starter) => (starter.child.signalCode === null ? starter : Starter.start(t, program))),
    );
  }
  for (const entry of readdirSync(directory)) {
    if (entry.includes(".new-")) utimesSync(join(directory, entry), 0, 0);
  }
  const server = temporaryServer(t);
  await bindSocketFile(server, path);
  assert.deepEqual(readdirSync(directory), ["race.sock"]);
  server.close();
  assert.deepEqual(readdirSync(directory), []);
});

/** mulberry32 */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
