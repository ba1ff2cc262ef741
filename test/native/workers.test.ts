/** Threads that come and go: whatever they have open, however they end, nothing stays behind. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { descriptors, PRELUDE, testNative } from "./support.js";

/** `EARSHOT_WORKERS=1000` looks for what grows slowly. */
const { EARSHOT_WORKERS = "40" } = process.env;
const COUNT = Number(EARSHOT_WORKERS);
/** What a process may grow by for each: no more than threads without the addon, whose heaps come and go. */
const GROWTH_BYTES = 65_536;

/** Opens one of everything: listening and connected sockets, watches, and descriptors that came, taken or not. */
const OPEN = `
const { workerData, parentPort } = require("node:worker_threads");
const { listening, near, far } = connected(workerData.path);
native.onReady((fd, events) => ready(fd, events), Buffer.alloc(8));
let ready = () => 0;
for (const fd of [listening, near, far]) native.watch(fd, 1);
native.write(near, [Buffer.from("a")], [near, far]);
native.read(far, Buffer.alloc(8));
native.takeDescriptors();
native.write(near, [Buffer.from("a")], [near, far]);
native.read(far, Buffer.alloc(8));
native.write(near, [Buffer.from("left in the kernel")], [near, far]);
native.watch(native.duplicate(near), 2);
native.duplicate(listening);
const memory = native.makeMemory(65536);
const words = new Int32Array(native.map(memory, 65536, 100), 0, 16);
native.lookAt(far, words, 0, 1);
native.lookSoon(far, 0);
native.socketPair(5);
`;

/** How a thread ends, and with which code. */
const ENDINGS: Readonly<Record<string, [code: string, exitCode: number]>> = {
  "ends by itself, watching nothing": ["for (let fd = 0; fd < 4000; fd++) try { native.watch(fd, 0) } catch {}", 0],
  exits: ["setImmediate(() => process.exit(3))", 3],
  "exits in a callback": ["ready = () => process.exit(4)", 4],
  throws: ["setImmediate(() => { throw new Error('thrown on purpose') })", 1],
  "throws in a callback": ["ready = () => { throw new Error('thrown on purpose') }", 1],
  "is terminated while it waits": ["parentPort.postMessage('now')", 1],
  "is terminated in a callback": ["ready = () => { parentPort.postMessage('now'); for (;;); }", 1],
  "is terminated while it looks": ["ready = () => { parentPort.postMessage('now'); return 60e6 }", 1],
  "is terminated between callbacks": [
    "let n = 0; ready = () => { if (n++ === 99) parentPort.postMessage('now'); return -1 }",
    1,
  ],
};

async function runWorker(path: string, ending: string): Promise<number> {
  const worker = new Worker(PRELUDE + OPEN + ending, { eval: true, workerData: { path } });
  worker.on("message", () => void worker.terminate());
  worker.on("error", (error) => assert.match(error.message, /on purpose/));
  return await new Promise((resolve) => worker.on("exit", resolve));
}

for (const [name, [ending, exitCode]] of Object.entries(ENDINGS)) {
  testNative(`a thread that ${name} leaves no descriptor behind`, async (t) => {
    const directory = temporaryDirectory(t);
    // The first one leaves what Node keeps for the next.
    await runWorker(join(directory, "first"), ending);
    const before = descriptors().length;
    for (let count = 0; count < 3; count++)
      assert.equal(await runWorker(join(directory, `${count}`), ending), exitCode);
    await until(() => descriptors().length <= before, "its descriptors to be closed", 5_000);
  });
}

testNative("threads have sockets of their own, and do not see each other's", async (t, native) => {
  const mine = native.socket(1);
  t.after(() => native.close(mine));
  const code = `
    const { workerData, parentPort } = require("node:worker_threads");
    try { native.close(workerData); } catch ({ code }) { parentPort.postMessage(code); }
    native.onReady(() => 0, Buffer.alloc(8));
  `;
  for (let count = 0; count < 2; count++) {
    const worker = new Worker(PRELUDE + code, { eval: true, workerData: mine });
    const [[message]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
    assert.equal(message, "EBADF");
  }
});

testNative(`${COUNT} threads come and go, four at a time, and the process stays as it was`, async (t) => {
  const directory = temporaryDirectory(t);
  const endings = Object.values(ENDINGS).map(([ending]) => ending);
  let started = 0;
  async function runMany(until: number): Promise<void> {
    while (started < until) {
      const index = started++;
      await runWorker(join(directory, `${index}`), endings[index % endings.length]!);
    }
  }
  const runUntil = (count: number) => Promise.all(Array.from({ length: 4 }, () => runMany(count)));
  await runUntil(COUNT / 2);
  const before = { descriptors: descriptors().length, bytes: process.memoryUsage.rss() };
  await runUntil(COUNT);
  await until(() => descriptors().length <= before.descriptors, "their descriptors to be closed", 5_000);
  const grown = (process.memoryUsage.rss() - before.bytes) / (COUNT / 2);
  t.diagnostic(`${Math.round(grown / 1024)} KiB more for each of the last ${COUNT / 2} threads`);
  if (COUNT >= 1_000) assert.ok(grown < GROWTH_BYTES, `${grown} bytes for each thread`);
});
