/** Whose turn it is when something unusual happens. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openOutbox } from "../../src/outbox/open.js";
import { until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { FakeTime, FakeWay, next, rig, settled } from "./support.js";

test("when its socket's file is removed, one process goes on, and what it waits for is not lost", async (t) => {
  const { outbox, way, time, directory, told } = await rig(t);
  way.answer = () => "ok";
  rmSync(join(directory, "turn.sock"));
  const turn = next(outbox, "turn");
  await time.advance(1_000);
  await turn;
  assert.deepEqual(told, ["trouble SYSTEM_ERROR"]);
  assert.ok(statSync(join(directory, "turn.sock")).isSocket());
  await outbox.post("x", { id: "x" });
  await outbox.flush();
  assert.deepEqual(way.sent, ["x"]);
  await time.advance(5_000);
  assert.equal(told.length, 2, told.join());
});

test("a process whose socket's file was removed, and another's is there, leaves the deliveries to that one", async (t) => {
  const first = await rig(t);
  await first.outbox.post("under way", { id: "a" });
  await first.way.untilSent(1);
  rmSync(join(first.directory, "turn.sock"));
  const way = new FakeWay();
  way.answer = () => "ok";
  const second = await rig(t, {}, { directory: first.directory, way });
  assert.deepEqual([first.outbox.stats().isDelivering, second.outbox.stats().isDelivering], [true, true]);
  await first.time.advance(1_000);
  await until(() => !first.outbox.stats().isDelivering, "the first to notice");
  first.way.underWay[0]!.resolve();
  await settled(first.outbox);
  await first.outbox.post("for the second", { id: "b" });
  await first.outbox.flush();
  assert.deepEqual(first.way.sent, ["under way"]);
  assert.equal(second.way.sent.at(-1), "for the second");
  // And back, when that is gone: also what became ready while this one rested.
  const turn = next(first.outbox, "turn");
  await second.outbox.close();
  await first.time.advance(1_000);
  await turn;
  first.way.answer = () => "ok";
  await first.outbox.post("again", { id: "c" });
  await first.outbox.flush();
  assert.equal(first.way.sent.at(-1), "again");
});

test("an outbox that is being closed takes no turn, and nothing of it goes on afterwards", async (t) => {
  const first = await rig(t);
  const second = await rig(t, {}, { directory: first.directory, time: new FakeTime() });
  await second.outbox.post("later", { delayMs: 1_500 });
  let goOn: () => void = () => {};
  t.mock.method(second.way, "close", () => new Promise<void>((resolve) => (goOn = resolve)));
  const told: string[] = [];
  second.outbox.on("turn", () => told.push("turn"));
  const closed = second.outbox.close();
  await first.outbox.close();
  await second.time.advance(5_000);
  await new Promise((resolve) => setTimeout(resolve, 200));
  goOn();
  await closed;
  await second.time.advance(5_000);
  assert.deepEqual(told, []);
  assert.equal(second.time.nextMs, Infinity, "no timer is left");
});

test("a process that only posts waits for flush, although nobody delivers", async (t) => {
  const directory = join(temporaryDirectory(t), "outbox");
  const source = new URL("../../src/outbox/index.ts", import.meta.url).href;
  const program = `
    import { openOutbox } from ${JSON.stringify(source)};
    const outbox = await openOutbox(${JSON.stringify(directory)}, { deliver: false });
    await outbox.post("x");
    console.log("flushing");
    await outbox.flush();
    console.log("flushed");
    await outbox.close();`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, { cwd: fileURLToPath(new URL("../..", import.meta.url)) });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const exit = once(child, "exit");
  await until(() => output === "flushing\n", "the child to flush");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(child.exitCode, null, "it stays");
  const { outbox, way } = await rig(t, {}, { directory });
  await way.untilSent(1);
  way.underWay[0]!.resolve();
  await outbox.flush();
  assert.deepEqual(await exit, [0, null]);
  assert.equal(output, "flushing\nflushed\n");
});

test("an outbox stays where it is when its process goes to another directory", async (t) => {
  const parent = temporaryDirectory(t);
  const before = process.cwd();
  process.chdir(parent);
  t.after(() => process.chdir(before));
  const outbox = await openOutbox("relative", { address: "/nowhere/s" });
  process.chdir("/");
  await outbox.post("x");
  assert.equal(outbox.directory, join(parent, "relative"));
  await outbox.close({ graceMs: 0 });
});
