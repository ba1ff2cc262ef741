import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Admission, type AdmittedConnection, type OverloadOptions } from "../../src/peer/admission.js";
import { FairQueue } from "../../src/peer/fair-queue.js";
import { SILENT } from "../../src/peer/options.js";
import { Exchange } from "../../src/session/session.js";
import { FakeTime } from "../support/time.js";

interface Caller extends AdmittedConnection {
  /** What became of those that were refused. */
  readonly refused: string[];
}

/** A server that handles what the test says it has finished. */
class Bench {
  readonly time = new FakeTime();
  readonly admission: Admission<Caller>;
  /** Those that are handled now, in the order in which they began. */
  readonly handling: { readonly caller: Caller; readonly exchange: Exchange }[] = [];
  readonly begun: string[] = [];
  #lastId = 0;

  constructor(limits: OverloadOptions) {
    const all = { maxHandling: 2, maxWaiting: 100, maxWaitingMs: 0, ...limits } as Required<OverloadOptions>;
    const numbers = all as { maxHandling: number; maxWaiting: number; maxWaitingMs: number };
    this.admission = new Admission<Caller>(
      numbers,
      (caller, exchange) => {
        this.handling.push({ caller, exchange });
        this.begun.push(`${caller.id}`);
      },
      SILENT,
      this.time,
    );
  }

  caller(id: number, uid?: number): Caller {
    const refused: string[] = [];
    return {
      id,
      refused,
      transport: { credentials: uid === undefined ? undefined : { uid } } as Caller["transport"],
      closeDescriptors() {},
      fail: (_exchange, code, _text, hint) => {
        refused.push(hint === undefined ? code : `${code} ${hint}`);
      },
    };
  }

  send(caller: Caller, count = 1): Exchange[] {
    return Array.from({ length: count }, () => {
      const exchange = new Exchange(++this.#lastId);
      this.admission.admit(caller, exchange);
      return exchange;
    });
  }

  /** The oldest of those that are handled is done. */
  finish(): void {
    const first = this.handling.shift();
    if (first !== undefined) this.admission.leave(first.exchange);
  }
}

test("so many messages are handled at a time, whoever sent them, and the others follow as places become free", () => {
  const bench = new Bench({ maxHandling: 2 });
  const [a, b] = [bench.caller(1), bench.caller(2)];
  bench.send(a, 2);
  bench.send(b, 2);
  assert.deepEqual(bench.begun, ["1", "1"]);
  assert.equal(bench.admission.waiting, 2);
  bench.finish();
  assert.deepEqual(bench.begun, ["1", "1", "2"]);
  bench.finish();
  bench.finish();
  assert.equal(bench.admission.waiting, 0);
  assert.equal(bench.begun.length, 4);
});

test("a caller with ten thousand messages waiting keeps another waiting for one", () => {
  const bench = new Bench({ maxHandling: 1, maxWaiting: 20_000 });
  const [loud, quiet] = [bench.caller(1, 500), bench.caller(2, 501)];
  bench.send(loud, 10_000);
  for (let round = 0; round < 100; round++) {
    const before = bench.begun.length;
    bench.send(quiet);
    while (bench.begun.at(-1) !== "2") bench.finish();
    assert.ok(bench.begun.length - before <= 2, `${bench.begun.length - before} turns`);
  }
});

test("connections of one user take turns, and have one user's share together", () => {
  const bench = new Bench({ maxHandling: 1, maxWaiting: 1_000 });
  const own = [1, 2, 3, 4].map((id) => bench.caller(id, 500));
  const other = bench.caller(9, 501);
  bench.send(bench.caller(0, 7));
  for (const caller of own) bench.send(caller, 10);
  bench.send(other, 10);
  for (let index = 0; index < 16; index++) bench.finish();
  const turns = bench.begun.slice(1);
  assert.equal(turns.filter((id) => id === "9").length, 8);
  for (const id of ["1", "2", "3", "4"]) assert.equal(turns.filter((turn) => turn === id).length, 2);
});

test("without credentials each connection is a user of its own", () => {
  const bench = new Bench({ maxHandling: 1 });
  const [a, b, c] = [bench.caller(1), bench.caller(2), bench.caller(3)];
  bench.send(a, 4);
  bench.send(b, 2);
  bench.send(c, 2);
  while (bench.handling.length > 0) bench.finish();
  assert.deepEqual(bench.begun, ["1", "1", "2", "3", "1", "2", "3", "1"]);
});

test("with one too many, the newest of whoever has most waiting is refused", () => {
  const bench = new Bench({ maxHandling: 1, maxWaiting: 4 });
  const [loud, quiet] = [bench.caller(1, 500), bench.caller(2, 501)];
  bench.send(loud, 5);
  assert.deepEqual(loud.refused, []);
  bench.send(loud);
  assert.deepEqual(loud.refused, ["OVERLOADED 1000"]);
  bench.send(quiet, 2);
  assert.equal(loud.refused.length, 3);
  assert.deepEqual(quiet.refused, []);
  // Now both have two.
  bench.send(quiet);
  assert.equal(quiet.refused.length, 1);
  assert.equal(bench.admission.waiting, 4);
});

test("with no place to wait, what cannot be handled now is refused", () => {
  const bench = new Bench({ maxHandling: 1, maxWaiting: 0 });
  const a = bench.caller(1);
  bench.send(a, 3);
  assert.equal(a.refused.length, 2);
  bench.finish();
  bench.send(a);
  assert.equal(a.refused.length, 2);
});

test("what has waited for too long is refused, and what came later is not", () => {
  const bench = new Bench({ maxHandling: 1, maxWaitingMs: 1_000 });
  const a = bench.caller(1);
  bench.send(a, 3);
  bench.time.advance(600);
  bench.send(a);
  bench.time.advance(399);
  assert.deepEqual(a.refused, []);
  bench.time.advance(1);
  assert.equal(a.refused.length, 2);
  assert.equal(bench.admission.waiting, 1);
  bench.time.advance(600);
  assert.equal(a.refused.length, 3);
  bench.finish();
  assert.equal(bench.handling.length, 0);
});

test("the hint is how long what waits will take, as fast as it was finished before", () => {
  const bench = new Bench({ maxHandling: 1, maxWaiting: 50 });
  const a = bench.caller(1);
  bench.send(a, 51);
  for (let index = 0; index < 40; index++) {
    bench.time.advance(20);
    bench.finish();
    bench.send(a);
  }
  bench.send(a);
  assert.equal(a.refused.at(-1), `OVERLOADED ${51 * 20}`);
  // It has bounds: 10 ms and half a minute.
  const slow = new Bench({ maxHandling: 1, maxWaiting: 50 });
  const b = slow.caller(1);
  slow.send(b, 51);
  slow.time.advance(3_600_000);
  slow.finish();
  slow.send(b, 2);
  assert.equal(b.refused.at(-1), "OVERLOADED 30000");
});

test("who gives up leaves his place, and is not handled", () => {
  const bench = new Bench({ maxHandling: 1 });
  const a = bench.caller(1);
  const [first, second, third] = bench.send(a, 3) as [Exchange, Exchange, Exchange];
  assert.equal(bench.admission.giveUp(second), true);
  assert.equal(bench.admission.giveUp(second), false);
  assert.equal(bench.admission.giveUp(first), false);
  assert.deepEqual(a.refused, ["CANCELLED"]);
  bench.finish();
  assert.deepEqual(
    bench.handling.map(({ exchange }) => exchange),
    [third],
  );
});

test("handlers that are done at once do not nest", () => {
  const time = new FakeTime();
  let depth = 0;
  let deepest = 0;
  let handled = 0;
  const bench = new Bench({});
  const admission: Admission<Caller> = new Admission<Caller>(
    { maxHandling: 1, maxWaiting: 100_000, maxWaitingMs: 0 },
    (_caller, exchange) => {
      deepest = Math.max(deepest, ++depth);
      handled++;
      if (handled > 1) admission.leave(exchange);
      depth--;
    },
    SILENT,
    time,
  );
  const a = bench.caller(1);
  const first = new Exchange(1);
  admission.admit(a, first);
  for (let id = 2; id <= 50_000; id++) admission.admit(a, new Exchange(id));
  admission.leave(first);
  assert.deepEqual([handled, deepest], [50_000, 1]);
});

test("whatever comes, goes and is taken out, each waits in one place, and turns are fair", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ push: fc.nat(3), line: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.constant("shift" as const) },
    { weight: 1, arbitrary: fc.constant("pop" as const) },
    { weight: 1, arbitrary: fc.record({ drop: fc.nat(100) }) },
  );
  const property = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const queue = new FairQueue<number>();
    const lines = new Map<string, object>();
    const lineOf = (user: number, line: number) => {
      const name = `${user}.${line}`;
      const key = lines.get(name) ?? { name };
      lines.set(name, key);
      return key;
    };
    const waiting: { user: number; line: number; item: number; drop: () => void }[] = [];
    let last = 0;
    const remove = (item: number | undefined) => {
      const index = waiting.findIndex((one) => one.item === item);
      assert.ok(index >= 0, "one that does not wait");
      return waiting.splice(index, 1)[0] as (typeof waiting)[number];
    };
    for (const one of steps) {
      if (one === "shift") {
        const place = queue.shift();
        if (place === undefined) {
          assert.equal(waiting.length, 0);
          continue;
        }
        const { user, line } = remove(place.item);
        const older = waiting.filter((other) => other.user === user && other.line === line && other.item < place.item);
        assert.deepEqual(older, [], "out of order");
      } else if (one === "pop") {
        const sizes = [0, 1, 2, 3].map((user) => waiting.filter((other) => other.user === user).length);
        const place = queue.popLongest("nobody", {});
        if (place === undefined) assert.equal(waiting.length, 0);
        else assert.equal(sizes[remove(place.item).user], Math.max(...sizes));
      } else if ("drop" in one) {
        const victim = waiting[one.drop % Math.max(1, waiting.length)];
        if (victim === undefined) continue;
        victim.drop();
        remove(victim.item);
      } else {
        const item = ++last;
        const place = queue.push(one.push, lineOf(one.push, one.line), item);
        waiting.push({ user: one.push, line: one.line, item, drop: () => queue.drop(place) });
      }
      assert.equal(queue.size, waiting.length);
    }
    // From here on only turns: nobody has two before everybody who waits has one.
    const turns: number[] = [];
    for (let place = queue.shift(); place !== undefined; place = queue.shift()) turns.push(remove(place.item).user);
    assert.equal(waiting.length, 0);
    for (const [index, user] of turns.entries()) {
      const next = turns.indexOf(user, index + 1);
      const others = new Set(turns.slice(next + 1));
      if (next > 0) for (const other of others) if (other !== user) assert.ok(turns.slice(index, next).includes(other));
    }
  });
  fc.assert(property, { numRuns: 500 });
});
