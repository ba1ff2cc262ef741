import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Deadlines } from "../../src/session/deadlines.js";
import { Fifo } from "../../src/session/fifo.js";

class Item {
  isDropped = false;
  readonly deadlineAt: number;

  constructor(deadlineAt = 0) {
    this.deadlineAt = deadlineAt;
  }
}

test("a deadline is never early and at most 8 ms late", () => {
  const deadlines = new Deadlines<Item>();
  const item = new Item(1_001);
  deadlines.add(item);
  assert.equal(deadlines.next, 1_008);
  assert.deepEqual(deadlines.expire(1_007), []);
  assert.deepEqual(deadlines.expire(1_008), [item]);
  assert.equal(deadlines.next, Infinity);
});

test("a deadline on the grain is due exactly then", () => {
  const deadlines = new Deadlines<Item>();
  deadlines.add(new Item(1_000));
  assert.equal(deadlines.next, 1_000);
  assert.equal(deadlines.expire(1_000).length, 1);
});

test("300,000 deadlines at one time overflow no stack", () => {
  const deadlines = new Deadlines<Item>();
  for (let index = 0; index < 300_000; index++) deadlines.add(new Item(5));
  assert.equal(deadlines.expire(8).length, 300_000);
});

test("deadlines agree with a plain list, whatever is added, removed and expired", () => {
  const operation = fc.record({
    kind: fc.constantFrom("add", "add", "delete", "expire"),
    // Parts of a millisecond, but none so small that an eighth of it is nothing.
    at: fc.oneof(
      fc.nat(200),
      fc.integer({ min: 0, max: 204_800 }).map((at) => at / 1_024),
    ),
  });
  fc.assert(
    fc.property(fc.array(operation), (operations) => {
      const deadlines = new Deadlines<Item>();
      let list: Item[] = [];
      let now = 0;
      for (const { kind, at } of operations) {
        const chosen = list[Math.floor(at) % Math.max(1, list.length)];
        if (kind === "add") {
          const item = new Item(now + at);
          deadlines.add(item);
          list.push(item);
        } else if (kind === "delete" && chosen !== undefined) {
          deadlines.delete(chosen);
          deadlines.delete(chosen);
          list = list.filter((item) => item !== chosen);
        } else if (kind === "expire") {
          now += at;
          const due = deadlines.expire(now);
          const early = due.filter((item) => item.deadlineAt > now);
          assert.deepEqual(early, []);
          list = list.filter((item) => !due.includes(item));
        }
        const late = list.filter((item) => item.deadlineAt + 8 <= now && kind === "expire");
        assert.deepEqual(late, []);
        const first = Math.min(...list.map(({ deadlineAt }) => deadlineAt));
        assert.equal(list.length === 0 || deadlines.next <= first + 8, true);
        if (list.length === 0) assert.equal(deadlines.next, Infinity);
      }
    }),
  );
});

test("a fifo agrees with a plain list, whatever is pushed, shifted and dropped", () => {
  const operation = fc.record({ kind: fc.constantFrom("push", "shift", "drop"), count: fc.nat(150), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const fifo = new Fifo<Item>();
      const list: Item[] = [];
      for (const { kind, count, at } of operations) {
        for (let index = 0; index < count; index++) {
          if (kind === "push") {
            const item = new Item();
            fifo.push(item);
            list.push(item);
          } else if (kind === "shift") assert.equal(fifo.shift(), list.shift());
          else if (list.length > 0) {
            const [item] = list.splice((at + index * 7) % list.length, 1);
            fifo.drop(item!);
            fifo.drop(item!);
          }
        }
        assert.equal(fifo.size, list.length);
        assert.deepEqual(fifo.items(), list);
      }
    }),
  );
});

test("dropping and pushing in turn does not make a fifo grow", () => {
  const fifo = new Fifo<Item>();
  const kept = new Item();
  fifo.push(kept);
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 500_000; index++) {
    const item = new Item();
    fifo.push(item);
    fifo.drop(item);
  }
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  assert.equal(grown < 4_000_000, true, `what was dropped still takes ${grown} bytes`);
  assert.equal(fifo.size, 1);
  assert.equal(fifo.shift(), kept);
  assert.equal(fifo.shift(), undefined);
});
