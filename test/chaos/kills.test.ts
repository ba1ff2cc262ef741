/** Sender and server are killed with SIGKILL, at named points and at any time, and nothing that is promised is broken. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryDirectory } from "../support/temp.js";
import { type Chaos, type Files, Killing } from "./killing.js";

/** All in all; 2,000 for a long look. */
const KILLS = Number(process.env.EARSHOT_KILLS ?? 60);
/** The same seed kills at the same points; what the processes do meanwhile is theirs. */
const SEED = Number(process.env.EARSHOT_SEED ?? Date.now() % 1_000_000);
const LIMIT = { timeout: 60_000 + KILLS * 3_000 };

const share = (part: number) => Math.ceil(KILLS * part);

async function kill(t: TestContext, chaos: Chaos): Promise<Killing> {
  t.diagnostic(`EARSHOT_SEED=${SEED}`);
  const killing = await Killing.prepare(t, chaos);
  const verdict = await killing.run();
  const { accepted, handled, repeated, lost, doubled, disordered, invented } = verdict;
  const kills = [...killing.killsAt.values()].reduce((sum, count) => sum + count, 0);
  const places = [...killing.killsAt].map(([where, count]) => `${where} ${count}`).sort();
  t.diagnostic(`${kills} kills: ${places.join(", ")}`);
  t.diagnostic(`${accepted} accepted, ${handled} handled, ${repeated} of them again because nothing was recorded`);
  t.diagnostic(`${lost.length} lost, ${doubled.length} doubled, ${disordered.length} out of order`);
  assert.deepEqual({ lost, doubled, disordered, invented }, { lost: [], doubled: [], disordered: [], invented: [] });
  assert.ok(verdict.isKept && accepted > kills, `${accepted} accepted`);
  return killing;
}

/** Copies of real logs with something more or less: the checker finds each. */
function assertPlantedAreFound(t: TestContext, killing: Killing): void {
  const { senderLog, serverLog } = killing.files;
  const served = readFileSync(serverLog, "utf8");
  const planted: Files = { senderLog, serverLog: join(temporaryDirectory(t), "served") };
  const check = (...lines: readonly string[]) => {
    writeFileSync(planted.serverLog, lines.map((line) => `${line}\n`).join(""));
    return killing.check(planted);
  };
  const lines = served.split("\n").slice(0, -1);
  const recorded = lines.filter((line) => line.startsWith("recorded "));
  const victim = recorded[Math.floor(recorded.length / 2)]!.slice("recorded ".length);
  const others = lines.filter((line) => !line.endsWith(` ${victim}`));
  assert.deepEqual(check(...others).lost, [victim]);
  assert.deepEqual(check(...lines, `begun ${victim}`, `done ${victim}`).doubled, [victim]);
  assert.deepEqual(check(...others, `begun ${victim}`, `done ${victim}`).disordered, [victim]);
  assert.deepEqual(check(...lines, "begun a 1000000").invented, ["a 1000000"]);
  assert.equal(check(...lines).isKept, true);
}

test(
  "outbox and inbox, both sides killed: all that is posted is handled, nothing recorded twice, each key in order",
  LIMIT,
  async (t) => {
    const chaos = {
      seed: SEED,
      kills: share(0.4),
      by: "outbox",
      hasInbox: true,
      durability: "process",
      lane: "auto",
    } as const;
    assertPlantedAreFound(t, await kill(t, chaos));
  },
);

test(
  "outbox alone, both sides killed: all that is posted is handled at least once, each key first in order",
  LIMIT,
  async (t) => {
    await kill(t, {
      seed: SEED + 1,
      kills: share(0.2),
      by: "outbox",
      hasInbox: false,
      durability: "power",
      lane: "shared",
    });
  },
);

test(
  "retry idempotent and inbox, both sides killed: all that is acknowledged is handled, nothing recorded twice",
  LIMIT,
  async (t) => {
    await kill(t, {
      seed: SEED + 2,
      kills: share(0.2),
      by: "idempotent",
      hasInbox: true,
      durability: "process",
      lane: "shared",
    });
  },
);

test(
  "retry idempotent alone, both sides killed: all that is acknowledged is handled at least once",
  LIMIT,
  async (t) => {
    await kill(t, {
      seed: SEED + 3,
      kills: share(0.2),
      by: "idempotent",
      hasInbox: false,
      durability: "process",
      lane: "auto",
    });
  },
);
