import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { connect, cut, outcome, serve } from "./support.js";

/** How often the event loop turns in half a second; time itself is what is measured here. */
async function turns(): Promise<number> {
  const { nodeTiming } = performance as unknown as { nodeTiming: { uvMetricsInfo: { loopCount: number } } };
  await setTimeout(300);
  const before = nodeTiming.uvMetricsInfo.loopCount;
  await setTimeout(500);
  return nodeTiming.uvMetricsInfo.loopCount - before;
}

test("connections on which nothing happens do not turn the event loop", async (t) => {
  const server = await serve(t, () => "ok");
  for (const _ of Array(10)) await (await connect(t, server)).send("a");
  const count = await turns();
  assert.ok(count < 50, `${count} turns`);
});

test("nor do those that wait for a slow handler", async (t) => {
  const server = await serve(t, () => new Promise<undefined>(() => {}));
  const framed = await connect(t, server);
  const plain = await connect(t, server, { wire: "plain" });
  await framed.ping();
  const waiting = [framed, plain].flatMap((client) => ["a", "b"].map((text) => outcome(client.send(text))));
  const count = await turns();
  assert.ok(count < 50, `${count} turns`);
  await Promise.all([framed, plain].map(cut));
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["CONNECTION_CLOSED unknown"]));
});
