import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { connect, socketPath } from "../peer/support.js";
import { pattern } from "../support/bytes.js";
import { Child, until } from "../support/children.js";
import { greeting, halfMessage, open, Raw } from "../support/raw.js";

const MIB = 1_048_576;
/** What the server may hold for others: see `limits`. */
const MAX_BUFFERED = 32 * MIB;
const limits = {
  maxBufferedBytes: MAX_BUFFERED,
  maxMessageBytes: 16 * MIB,
  handshakeTimeoutMs: 3_000,
  messageTimeoutMs: 3_000,
};
const ATTACKERS = 651;
/**
 * How much larger the process may get, at any time: what it may buffer, 64 KiB for each connection, and 160 MiB for
 * what a busy JavaScript process has lying about before the collector comes by and the allocator gives back.
 */
const MAX_GROWTH = MAX_BUFFERED + ATTACKERS * 65_536 + 160 * MIB;

const many = (count: number, attack: (index: number) => Promise<unknown>) =>
  Promise.all(Array.from({ length: count }, (_, index) => attack(index)));

/** Sends half a frame and stops. */
async function halfFrame(t: TestContext, address: string): Promise<void> {
  (await Raw.connect(t, address)).write(greeting(), halfMessage(1, 200_000, 100_000));
}

/** Says what is no protocol at all: a message without end, or one that breaks the rules behind a right beginning. */
async function garbage(t: TestContext, address: string, index: number): Promise<void> {
  const noise = pattern(50_000, index);
  (await Raw.connect(t, address)).write(...(index % 2 === 0 ? [noise] : [greeting(), noise]));
}

/** Sends on and on, and reads none of its replies. */
async function deaf(t: TestContext, address: string): Promise<void> {
  const raw = await Raw.connect(t, address, true);
  raw.write(greeting());
  const body = pattern(60_000);
  let id = 1;
  const sendOn = () => {
    if (raw.socket.destroyed || id > 2_000) return;
    raw.socket.write(open(id, body), () => setImmediate(sendOn));
    id += 2;
  };
  sendOn();
}

async function fourGiB(t: TestContext, address: string): Promise<void> {
  (await Raw.connect(t, address)).write(greeting(), Buffer.from("02010000ffffffff0100000000000000", "hex"));
}

test("650 hostile clients at once: good ones are served all the time, memory is bounded, and nothing stays", async (t) => {
  const address = socketPath(t);
  const child = await Child.start(t, "peer-server", [], ["--expose-gc"]);
  await child.call("listen", { address, handler: "echo", options: limits });
  const rss = async () => ((await child.call("memory")) as NodeJS.MemoryUsage).rss;
  const inUse = async () => {
    const { heapUsed, external } = (await child.call("memoryAfterCollection")) as NodeJS.MemoryUsage;
    return heapUsed + external;
  };

  const [small, large] = await Promise.all([connect(t, { address }), connect(t, { address })]);
  const megabyte = pattern(MIB);
  // Warm, so that what a working server needs anyhow does not count.
  for (let round = 0; round < 20; round++) assert.ok(megabyte.equals((await large.send(megabyte)).bytes));
  await small.send("warm");
  const before = { inUse: await inUse(), rss: await rss(), descriptors: await child.call("descriptors") };

  let isOver = false;
  let most = 0;
  const watching = (async () => {
    while (!isOver) most = Math.max(most, await rss());
  })();
  const waits: number[] = [];
  const largeWaits: number[] = [];
  const serving = [
    (async () => {
      for (let index = 0; !isOver; index++) {
        const text = String(index).padEnd(64);
        const startedAt = performance.now();
        assert.equal((await small.send(text, { timeoutMs: 20_000 })).text(), text);
        waits.push(performance.now() - startedAt);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })(),
    (async () => {
      while (!isOver) {
        const startedAt = performance.now();
        assert.ok(megabyte.equals((await large.send(megabyte, { timeoutMs: 20_000 })).bytes));
        largeWaits.push(performance.now() - startedAt);
      }
    })(),
  ];

  const silent: Raw[] = [];
  await Promise.all([
    many(200, () => halfFrame(t, address)),
    many(200, (index) => garbage(t, address, index)),
    many(50, () => deaf(t, address)),
    fourGiB(t, address),
    many(200, async () => silent.push(await Raw.connect(t, address))),
  ]);
  // All of them are cut by one limit or another, the last by the longest of them.
  await until(async () => (await child.call("connections")) === 2, "the hostile clients to be gone", 20_000);
  isOver = true;
  await Promise.all([...serving, watching]);

  const growth = most - before.rss;
  t.diagnostic(`grew by ${(growth / MIB).toFixed()} of ${(MAX_GROWTH / MIB).toFixed()} MiB at most`);
  const [slowest, slowestLarge] = [Math.max(...waits), Math.max(...largeWaits)];
  t.diagnostic(`${waits.length} small messages, the slowest took ${slowest.toFixed()} ms`);
  t.diagnostic(`${largeWaits.length} messages of 1 MiB, the slowest took ${slowestLarge.toFixed()} ms`);
  assert.ok(growth < MAX_GROWTH, `grew by ${(growth / MIB).toFixed()} MiB`);
  assert.ok(waits.length > 50, `${waits.length} small messages`);
  assert.ok(slowest < 5_000, `the slowest small message took ${slowest} ms`);
  // Room for large ones comes with every second in which those that stall give way.
  assert.ok(largeWaits.length > 0 && slowestLarge < 10_000, `the slowest large message took ${slowestLarge} ms`);
  // Fewer when the good ones have nothing to do any more, and give their shared memory back.
  const areBack = async () => Number(await child.call("descriptors")) <= Number(before.descriptors);
  await until(areBack, "its descriptors to be back");
  await until(async () => (await inUse()) - before.inUse < 8 * MIB, "its memory to be back to within 8 MiB");
  // Each was logged once; none was an accident of the server's own.
  const problems = (await child.call("problems")) as string[];
  assert.ok(
    problems.every((text) => text.startsWith("cut the connection: ")),
    problems.join("\n"),
  );
  assert.ok(problems.length <= ATTACKERS, `${problems.length} lines`);
});
