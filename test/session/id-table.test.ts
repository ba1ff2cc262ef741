import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IdTable } from "../../src/session/id-table.js";

const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("set" as const),
        skip: fc.constantFrom(0, 0, 0, 1, 7, 40, 20_000, 2 ** 40),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("miss" as const), id: fc.nat({ max: 4_000 }) }) },
  ),
  { maxLength: 300 },
);

test("an id table does what a map does", () => {
  fc.assert(
    fc.property(steps, fc.constantFrom(1, 2 ** 31 - 41, 2 ** 40 + 1), (list, start) => {
      const [table, map] = [new IdTable<string>(), new Map<number, string>()];
      let next = start;
      for (const step of list) {
        if (step.do === "set") {
          next += 2 * step.skip;
          table.set(next, `value ${next}`);
          map.set(next, `value ${next}`);
          next += 2;
        } else if (step.do === "delete") {
          const id = [...map.keys()][step.which % Math.max(1, map.size)] ?? 1;
          assert.equal(table.delete(id), map.delete(id));
        } else assert.equal(table.get(step.id * 2 + 1), map.get(step.id * 2 + 1));
        assert.equal(table.size, map.size);
      }
      for (const [id, value] of map) assert.equal(table.get(id), value);
      assert.deepEqual(table.values(), [...map.values()]);
    }),
  );
});

test("one that stays for ever is found after a million others, and does not make the table grow for ever", () => {
  const table = new IdTable<number>();
  for (let id = 1; id < 20; id += 2) table.set(id, id);
  for (let id = 21; id < 2_000_000; id += 2) {
    table.set(id, id);
    table.delete(id);
  }
  table.set(2_000_001, 2_000_001);
  assert.equal(table.get(1), 1);
  assert.deepEqual(table.values(), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 2_000_001]);
  assert.equal(table.delete(1), true);
  assert.equal(table.get(1), undefined);
  assert.equal(table.size, 10);
});
