/** Whether a socket is looked at before its thread sleeps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Spin, SpinBudget } from "../../src/transport/spin.js";

const MAX_US = 50;

/** A socket, and the time that passes on it. */
function socket(budget = new SpinBudget(), maxUs = MAX_US) {
  let now = 0;
  const spin = new Spin(budget, maxUs, () => now);
  return (idleUs: number): number => {
    now += idleUs / 1_000;
    return spin.next(idleUs);
  };
}

test("what comes after a long pause is not looked for, nor the first of all", () => {
  const pause = socket();
  assert.deepEqual([1e9, 501, 1_000, 1e6].map(pause), [0, 0, 0, 0]);
});

test("a conversation is looked at as long as something is found", () => {
  const pause = socket();
  assert.equal(pause(70), MAX_US);
  for (let count = 0; count < 10_000; count++) assert.equal(pause(count % (MAX_US + 1)), MAX_US);
});

test("who looks in vain looks ever more seldom, and as many finds make up for it", () => {
  const pause = socket();
  const gaps: number[] = [];
  for (let sleeps = 0; gaps.length < 12; ) {
    if (pause(400) === 0) sleeps++;
    else {
      gaps.push(sleeps);
      sleeps = 0;
    }
  }
  assert.deepEqual(gaps, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_024]);
  for (let finds = 0; finds < 10; finds++) assert.equal(pause(10), MAX_US);
  assert.equal(pause(60), 0);
  assert.equal(pause(60), 0);
  assert.equal(pause(60), MAX_US);
});

test("after many finds, by whatever way of looking, a look in vain is an accident", () => {
  let now = 0;
  const spin = new Spin(new SpinBudget(), MAX_US, () => now);
  const pause = (idleUs: number) => {
    now += idleUs / 1_000;
    return spin.next(idleUs);
  };
  assert.equal(pause(70), MAX_US);
  for (let finds = 0; finds < 16; finds++) spin.found();
  assert.equal(pause(400), MAX_US);
  // But not the next.
  assert.equal(pause(400), 0);
});

test("who has woken the other side looks twice as long", () => {
  const spin = new Spin(new SpinBudget(), MAX_US, () => 0);
  assert.equal(spin.next(70), MAX_US);
  assert.equal(spin.again(), MAX_US);
  assert.equal(spin.next(2 * MAX_US), MAX_US);
  assert.equal(spin.next(2 * MAX_US), 0);
});

test("to have lost the processor while looking counts three times", () => {
  const pause = socket();
  assert.equal(pause(70), MAX_US);
  for (let sleeps = 0; sleeps < 9; sleeps++) assert.equal(pause(sleeps === 0 ? 4_000 : 70), 0);
  assert.equal(pause(70), MAX_US);
});

test("all that a thread looks in vain is a tenth of its time, however many sockets look", () => {
  const budget = new SpinBudget();
  let now = 0;
  const spins = Array.from({ length: 10_000 }, () => new Spin(budget, MAX_US, () => now));
  let lookedUs = 0;
  for (const spin of spins) {
    for (let turn = 0; turn < 20; turn++) {
      const us = spin.next(400);
      lookedUs += us;
      now += us / 1_000;
    }
  }
  // What each has asked for by then is not known to be in vain yet.
  const unknownUs = spins.length * MAX_US;
  assert.ok(lookedUs <= now * 100 + 2_000 + unknownUs, `${lookedUs} of ${now * 1_000}`);
  assert.ok(lookedUs < spins.length * MAX_US * 2, `${lookedUs}`);
});

test("among many that have something in turn none is looked for, among a few each is", () => {
  for (const [count, expected] of [
    [5, MAX_US],
    [6, 0],
  ] as const) {
    const budget = new SpinBudget();
    const spins = Array.from({ length: count }, () => new Spin(budget, MAX_US, () => 0));
    let us = 0;
    for (let turn = 0; turn < 10; turn++) for (const spin of spins) us = spin.next(10);
    assert.equal(us, expected);
  }
});

test("with 0 it is never looked", () => {
  const pause = socket(undefined, 0);
  assert.deepEqual([70, 10, 0, 100].map(pause), [0, 0, 0, 0]);
});
