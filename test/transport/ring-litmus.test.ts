import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Hammered, Hammering } from "../fixtures/ring-worker.js";
import { compileFixture } from "../support/starter.js";
import { require } from "../support/tools.js";
import { hasNative } from "./rings.js";

/** `EARSHOT_LITMUS_MIB=10000` looks for what happens once in a while. */
const { EARSHOT_LITMUS_MIB = "8" } = process.env;
const TOTAL_BYTES = Number(EARSHOT_LITMUS_MIB) * 1_048_576;

test("two threads that hammer a pair of rings lose no byte and no wake-up", { timeout: 600_000 }, async (t) => {
  if (!require(t, hasNative, "there is no addon")) return;
  const program = await compileFixture(t, "ring-worker");
  const start = (hammering: Partial<Hammering>) => {
    const worker = new Worker(program, { workerData: { ringBytes: 65_536, totalBytes: TOTAL_BYTES, ...hammering } });
    t.after(() => worker.terminate());
    return worker;
  };
  const maker = start({ side: "maker", seed: 1 });
  const [descriptors] = (await once(maker, "message")) as [number[]];
  const taker = start({ side: "taker", seed: 2, descriptors });
  const ended = [once(maker, "message"), once(taker, "message")];
  maker.postMessage("begin");
  const counts = (await Promise.all(ended)) as [Hammered][];
  for (const [{ sleeps, waits }] of counts) {
    assert.ok(sleeps > 0, "nobody has slept");
    t.diagnostic(`${sleeps} sleeps, ${waits} waits for room`);
  }
});
