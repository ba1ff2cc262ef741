import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { socketPath } from "../peer/support.js";
import { Child, descriptorsOf, until } from "../support/children.js";
import { compileFixture } from "../support/starter.js";
import { require } from "../support/tools.js";

const CLIENTS = 10_000;
const PROCESSES = 4;
const MIB = 1_048_576;
/**
 * Near the start: every descriptor back, and of the heap all but this, after a collection; a connection that leaves a KiB
 * behind would leave 10 MiB. A second crowd may not need more than the first by as much, nor the process as the system sees
 * it by more than what differs anyhow with how busy the machine was when it grew.
 */
const HEAP_NEAR_BYTES = 4 * MIB;
const SECOND_CROWD_BYTES = 64 * MIB;

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
}

/** The test needs a process with 10,000 sockets: this many descriptors, which Node raises to the hard limit. */
function hasDescriptors(t: TestContext): boolean {
  const [, hard = "0"] = /Max open files\s+\S+\s+(\S+)/.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  const hasEnough = hard === "unlimited" || Number(hard) >= CLIENTS + 200;
  return require(t, hasEnough, `ulimit -Hn is ${hard}, and 10,000 connections need more`);
}

test("10,000 clients at once, each with its messages; afterwards the server is as it was", async (t) => {
  if (!hasDescriptors(t)) return;
  const address = socketPath(t);
  const server = await Child.start(t, "peer-server", [], ["--expose-gc"]);
  const memory = async () => (await server.call("memoryAfterCollection")) as Memory;
  await server.call("listen", { address, handler: "echo" });
  const program = await compileFixture(t, "load-clients");
  const starting = Array.from({ length: PROCESSES }, () => Child.startCompiled(t, program));
  const groups = await Promise.all(starting);
  const onEach = async (what: string, details: object = {}) =>
    (await Promise.all(groups.map((group) => group.call(what, details)))).map(Number);
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

  // A first small crowd, so that what a working server needs anyhow does not count.
  await onEach("dial", { address, count: 50 });
  assert.equal(sum(await onEach("send", { rounds: 5 })), PROCESSES * 50 * 5);
  await onEach("close");
  await until(async () => (await server.call("connections")) === 0, "the first crowd to be gone");
  const before = {
    ...(await memory()),
    descriptors: descriptorsOf(server.pid),
    handled: Number(await server.call("handled")),
  };

  const during: Memory[] = [];
  for (const crowd of [0, 1]) {
    const startedAt = performance.now();
    await onEach("dial", { address, count: CLIENTS / PROCESSES });
    assert.equal(sum(await onEach("send", { rounds: 2 })), CLIENTS * 2);
    assert.equal(await server.call("connections"), CLIENTS);
    assert.equal(Number(await server.call("handled")) - before.handled, CLIENTS * 2 * (crowd + 1));
    assert.ok(descriptorsOf(server.pid) >= before.descriptors + CLIENTS);
    t.diagnostic(`${CLIENTS} clients and ${CLIENTS * 2} messages in ${(performance.now() - startedAt).toFixed()} ms`);
    during.push(await memory());
    // The last crowd leaves by halves: half of them close, half of them die.
    const dying = crowd === 1 ? groups.slice(PROCESSES / 2) : [];
    await Promise.all(groups.map((group) => (dying.includes(group) ? group.kill() : group.call("close"))));
    await until(async () => (await server.call("connections")) === 0, "all of them to be gone");
    assert.equal(descriptorsOf(server.pid), before.descriptors);
    const isNear = async () => (await memory()).heapUsed - before.heapUsed < HEAP_NEAR_BYTES;
    await until(isNear, "its heap to be back");
  }
  const [first, second] = during as [Memory, Memory];
  t.diagnostic(`${((first.rss - before.rss) / CLIENTS).toFixed()} bytes for each idle connection`);
  t.diagnostic(`the second crowd needed ${second.rss - first.rss} bytes more than the first`);
  assert.ok(second.rss - first.rss < SECOND_CROWD_BYTES);
  assert.ok(second.heapUsed - first.heapUsed < HEAP_NEAR_BYTES);
  assert.deepEqual(await server.call("problems"), []);
});
