import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { compileFixture } from "../support/starter.js";
import { temporaryDirectory } from "../support/temp.js";
import { rig } from "./support.js";

test("two that make the same directory at once both have it", async (t) => {
  const parent = temporaryDirectory(t);
  const names = Array.from({ length: 1_000 }, (_, index) => join(parent, `${index}`));
  const barrier = new Int32Array(new SharedArrayBuffer(4 * names.length));
  const program = await compileFixture(t, "directory-racer");
  const racers = [0, 1].map(() => new Worker(program, { workerData: { names, barrier } }));
  const failures = await Promise.all(racers.map(async (racer) => (await once(racer, "message"))[0]));
  assert.deepEqual(failures, [[], []]);
});

test("what a process that was killed had read holds nothing back: the file stays small", async (t) => {
  const { outbox, way, time, directory } = await rig(t);
  way.answer = () => "ok";
  await outbox.post("what it sees");
  await outbox.flush();
  const source = new URL("../../src/outbox/index.ts", import.meta.url).href;
  const program = `
    import { openOutbox } from ${JSON.stringify(source)};
    const outbox = await openOutbox(${JSON.stringify(directory)}, { deliver: false });
    outbox.stats();
    process.stdout.write("reading", () => {
      outbox.stats();
      for (;;);
    });`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, { cwd: fileURLToPath(new URL("../..", import.meta.url)) });
  const exit = once(child, "exit");
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill("SIGKILL");
  await exit;
  await time.advance(1_000);
  const data = Buffer.alloc(50_000, 1);
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 40 }, () => outbox.post(data)));
    await outbox.flush();
  }
  const { size } = statSync(join(directory, "data.mdb"));
  assert.ok(size < 16_000_000, `${size} bytes, after 40,000,000 that went through`);
});

test("two thousand processes may read a directory at a time", async (t) => {
  const { directory } = await rig(t);
  const bytesOfOne = 64;
  assert.ok(statSync(join(directory, "lock.mdb")).size >= 2_048 * bytesOfOne);
});
