import assert from "node:assert/strict";
import { test } from "node:test";
import type { ItemWriter } from "../../src/contract/item-writer.js";
import { Pump } from "../../src/contract/pump.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** An iterable of anything, without the manners of a generator, and what was asked of it. */
function source(next: () => Promise<IteratorResult<unknown>>) {
  const calls: string[] = [];
  const iterator = {
    next: () => {
      calls.push("next");
      return next();
    },
    return: () => {
      calls.push("return");
      return Promise.resolve({ value: undefined, done: true });
    },
  };
  return { calls, iterable: { [Symbol.asyncIterator]: () => iterator } };
}

const writer = (over: Partial<ItemWriter> = {}) =>
  ({ add() {}, isFull: false, ready: () => Promise.resolve(), ...over }) as unknown as ItemWriter;

test("one that was stopped before it runs asks for nothing, and is over", async () => {
  const { calls, iterable } = source(() => new Promise(() => {}));
  const pump = new Pump(iterable, writer());
  pump.stop();
  await pump.run();
  assert.deepEqual([calls, pump.isStopped], [["return"], true]);
});

test("one whose reader leaves while it waits for room asks for no more", async () => {
  const { calls, iterable } = source(() => Promise.resolve({ value: 1, done: false }));
  const full = writer({ isFull: true, ready: () => Promise.reject(new Error("nobody takes any more")) });
  const pump = new Pump(iterable, full);
  await pump.run();
  await settled();
  assert.deepEqual([calls, pump.isStopped], [["next", "return"], true]);
});
