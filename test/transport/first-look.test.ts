/** Whether the answer to what a new connection says first is looked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstLook } from "../../src/transport/first-look.js";
import { SpinBudget } from "../../src/transport/spin.js";

const MAX_US = 50;

/** Connections of one thread, and how long each looks; what is looked for in vain takes that time. */
function connections(): (hasAnswer: boolean, maxUs?: number) => number {
  let now = 0;
  let asked = 0;
  const native = {
    lookSoon(_: number, us: number) {
      asked = us;
    },
  };
  const firstLook = new FirstLook(native, new SpinBudget(), () => now);
  return (hasAnswer, maxUs = MAX_US) => {
    const owner = {};
    asked = 0;
    firstLook.begin(owner, 3, maxUs);
    now += 1_000;
    firstLook.end(owner, hasAnswer);
    return asked;
  };
}

test("a first answer is looked for four times as long as others, as long as one comes", () => {
  const connect = connections();
  for (let count = 0; count < 100; count++) assert.equal(connect(true), 4 * MAX_US);
});

test("who looks in vain looks ever more seldom, and as many finds make up for it", () => {
  const connect = connections();
  const gaps: number[] = [];
  for (let skipped = 0; gaps.length < 13; ) {
    if (connect(false) === 0) skipped++;
    else {
      gaps.push(skipped);
      skipped = 0;
    }
  }
  assert.deepEqual(gaps, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_024, 1_024]);
  for (let skipped = 0; skipped < 1_024; skipped++) assert.equal(connect(true), 0);
  for (let finds = 0; finds < 10; finds++) assert.equal(connect(true), 4 * MAX_US);
  assert.equal(connect(false), 4 * MAX_US);
  assert.deepEqual([connect(true), connect(true), connect(true)], [0, 0, 4 * MAX_US]);
});

test("one connection at a time is looked at, and only what becomes of that one counts", () => {
  const asked: [fd: number, us: number][] = [];
  const native = { lookSoon: (fd: number, us: number) => void asked.push([fd, us]) };
  const firstLook = new FirstLook(native, new SpinBudget(), () => 0);
  const [first, second] = [{}, {}];
  firstLook.begin(first, 3, MAX_US);
  firstLook.begin(second, 4, MAX_US);
  firstLook.end(second, false);
  firstLook.begin(second, 4, MAX_US);
  firstLook.end(first, true);
  firstLook.begin(second, 4, MAX_US);
  assert.deepEqual(asked, [
    [3, 4 * MAX_US],
    [4, 4 * MAX_US],
  ]);
});

test("what all looks of a thread may take in vain is bounded, and these count as the others do", () => {
  const asked: number[] = [];
  const budget = new SpinBudget();
  const firstLook = new FirstLook({ lookSoon: (fd) => void asked.push(fd) }, budget, () => 0);
  const owner = {};
  firstLook.begin(owner, 3, 500);
  firstLook.end(owner, false);
  const isLeft = budget.isLeft(() => 0);
  for (const fd of [4, 5, 6]) firstLook.begin(owner, fd, 500);
  assert.deepEqual({ asked, isLeft }, { asked: [3], isLeft: false });
});

test("with 0 it is never looked", () => {
  const connect = connections();
  assert.deepEqual([connect(true, 0), connect(false, 0), connect(true)], [0, 0, 4 * MAX_US]);
});
