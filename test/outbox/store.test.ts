import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { EarshotError } from "../../src/errors.js";
import { Environment } from "../../src/outbox/environment.js";
import { failureAfter, reasonOf } from "../../src/outbox/failure.js";
import { namedKey, numberKey, readNumber, sequenceOf, timedKey } from "../../src/outbox/keys.js";
import { decodeRecord, encodeRecord, type KeptMessage } from "../../src/outbox/record.js";
import { OUTBOX_LAYOUT, Store } from "../../src/outbox/store.js";
import { temporaryDirectory } from "../support/temp.js";

const message = (details: Partial<KeptMessage> = {}): KeptMessage => ({
  id: "",
  key: "",
  headers: {},
  postedAt: 1,
  dueAt: 0,
  expiresAt: 0,
  data: Buffer.from("data"),
  ...details,
});

test("a record is what was kept, and any changed bit is found", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  const kept = fc.record({
    id: text,
    key: text,
    headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), text, { maxKeys: 4, noNullPrototype: true }),
    postedAt: fc.nat(),
    dueAt: fc.double({ min: 0, max: 1e15, noNaN: true }),
    expiresAt: fc.nat(),
    data: fc.uint8Array({ maxLength: 200 }),
  });
  fc.assert(
    fc.property(kept, fc.nat(), fc.integer({ min: 0, max: 7 }), (original, place, bit) => {
      const record = encodeRecord(original);
      const { data, ...rest } = decodeRecord(record);
      assert.deepEqual({ ...rest, data: Uint8Array.from(data) }, { ...original, data: Uint8Array.from(original.data) });
      record[place % record.length]! ^= 1 << bit;
      assert.throws(() => decodeRecord(record), { code: "STORE_DAMAGED" });
      assert.throws(() => decodeRecord(record.subarray(0, place % record.length)), { code: "STORE_DAMAGED" });
    }),
  );
});

test("keys sort as what they stand for", () => {
  const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(number, number, number, number, (a, b, c, d) => {
      assert.equal(readNumber(numberKey(a)), a);
      assert.equal(sequenceOf(timedKey(a, b)), b);
      assert.equal(Math.sign(numberKey(a).compare(numberKey(b))), Math.sign(a - b));
      assert.equal(Math.sign(timedKey(a, c).compare(timedKey(b, d))), Math.sign(a - b || c - d));
    }),
  );
  assert.ok(namedKey(Buffer.from("ab"), 9).compare(namedKey(Buffer.from("a"), Number.MAX_SAFE_INTEGER)) > 0);
});

/** The same as a store, in plain words. */
class Model {
  pending: { sequence: number; id: string; key: string; dueAt: number; expiresAt: number }[] = [];
  dead: { sequence: number; id: string; key: string }[] = [];
  sequence = 0;

  post(id: string, key: string, dueAt: number, expiresAt: number): boolean {
    if (id !== "" && [...this.pending, ...this.dead].some((one) => one.id === id)) return false;
    const sequence = ++this.sequence;
    this.pending.push({ sequence, id, key, dueAt, expiresAt });
    return true;
  }

  /** Heads of their key. What was once due stays so, also when the clock is set back. */
  get heads() {
    return this.pending.filter(
      ({ key, sequence }) =>
        key === "" || !this.pending.some((other) => other.key === key && other.sequence < sequence),
    );
  }

  remove(sequence: number) {
    const index = this.pending.findIndex((one) => one.sequence === sequence);
    return index < 0 ? undefined : this.pending.splice(index, 1)[0];
  }

  bury(sequence: number): void {
    const one = this.remove(sequence);
    if (one !== undefined) this.dead.push(one);
  }

  revive(sequence: number): void {
    const index = this.dead.findIndex((one) => one.sequence === sequence);
    const [one] = index < 0 ? [] : this.dead.splice(index, 1);
    if (one !== undefined) this.pending.push({ ...one, sequence: ++this.sequence, dueAt: 0, expiresAt: 0 });
  }

  drop(sequence: number): void {
    this.dead = this.dead.filter((one) => one.sequence !== sequence);
  }
}

type Step =
  | {
      readonly do: "post";
      readonly id: string;
      readonly key: string;
      readonly dueAt: number;
      readonly expiresAt: number;
    }
  | { readonly do: "deliver" | "bury" | "revive" | "drop"; readonly nth: number }
  | { readonly do: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("post" as const),
      id: fc.constantFrom("", "", "", "x", "y"),
      key: fc.constantFrom("", "a", "b", "ab"),
      dueAt: fc.constantFrom(0, 0, 5, 20),
      expiresAt: fc.constantFrom(0, 0, 10, 30),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("deliver" as const, "bury", "revive", "drop"), nth: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(15) }) },
);

async function openStore(t: Pick<TestContext, "after">, directory = join(temporaryDirectory(t), "s")) {
  const environment = await Environment.open(directory, OUTBOX_LAYOUT);
  t.after(() => environment.close());
  return { environment, store: new Store(environment.tables, 1e9), directory };
}

test("a store does as a plain list would, also across being opened again", async (t) => {
  const reason = reasonOf(failureAfter(undefined, new EarshotError("HANDLER_FAILED", "no"), 1, false), 1);
  const run = async (steps: readonly Step[], reopenAt: number) => {
    const model = new Model();
    let { environment, store, directory } = await openStore(t);
    let now = 1;
    for (const [index, one] of steps.entries()) {
      if (index === reopenAt) {
        await environment.close();
        ({ environment, store } = await openStore(t, directory));
      }
      await environment.run("post", () => {
        store.begin();
        apply(store, model, one, now, reason);
        if (one.do === "wait") now += one.ms;
        store.queues.wake(now, 100);
        store.end();
      });
      environment.refresh();
      compare(store, model, now);
    }
    await environment.close();
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(40), run), { numRuns: 60 });
});

function apply(store: Store, model: Model, step: Step, now: number, reason: Parameters<Store["bury"]>[1]): void {
  if (step.do === "wait") return;
  if (step.do === "post") {
    const { id, key, dueAt, expiresAt } = step;
    const posted = message({ id, key, dueAt, expiresAt });
    const { isNew } = store.post(posted, now, encodeRecord(posted));
    assert.equal(isNew, model.post(id, key, dueAt, expiresAt));
    return;
  }
  const isOfDead = step.do === "revive" || step.do === "drop";
  const ready = model.heads.filter(({ dueAt }) => dueAt <= now);
  const list = isOfDead ? model.dead : step.do === "bury" ? model.pending : ready;
  const { sequence = 999 } = list[step.nth % Math.max(1, list.length)] ?? {};
  if (step.do === "deliver") {
    store.delivered(sequence, now);
    model.remove(sequence);
  } else if (step.do === "bury") {
    store.bury(sequence, reason, now);
    model.bury(sequence);
  } else if (step.do === "revive") {
    store.revive(sequence, now);
    model.revive(sequence);
  } else {
    store.drop(sequence);
    model.drop(sequence);
  }
}

function compare(store: Store, model: Model, now: number): void {
  const ready = model.heads.filter(({ dueAt }) => dueAt <= now).map(({ sequence }) => sequence);
  assert.deepEqual(
    store.queues.readyAfter(0, 1_000),
    ready.sort((a, b) => a - b),
  );
  assert.deepEqual(
    store.pendingAfter(0, 1_000),
    model.pending.map(({ sequence }) => sequence).sort((a, b) => a - b),
  );
  const graves = store.graveyard.after(0, 1_000);
  assert.deepEqual(
    graves,
    model.dead.map(({ sequence }) => sequence).sort((a, b) => a - b),
  );
  const expired = model.pending.filter(({ expiresAt }) => expiresAt > 0 && expiresAt <= now);
  assert.deepEqual(
    store.queues
      .expired(now, 1_000, () => false)
      .map(({ sequence }) => sequence)
      .sort((a, b) => a - b),
    expired.map(({ sequence }) => sequence).sort((a, b) => a - b),
  );
  const { pending, dead, pendingBytes, deadBytes } = store.counts;
  assert.deepEqual([pending, dead], [model.pending.length, model.dead.length]);
  assert.equal(pendingBytes > 0, pending > 0);
  assert.equal(deadBytes > 0, dead > 0);
  for (const { sequence, id } of [...model.pending, ...model.dead])
    if (id !== "") assert.equal(store.find(id), sequence);
}

test("an id that stands for a message that is gone is free", async (t) => {
  const { environment, store } = await openStore(t);
  const posted = message({ id: "x" });
  const { sequence, isNew } = await environment.run("post", () => {
    store.begin();
    // As a store that was damaged may have left it.
    environment.tables.ids.put(Buffer.from("x"), numberKey(77));
    const result = store.post(posted, 1, encodeRecord(posted));
    store.end();
    return result;
  });
  assert.deepEqual([sequence, isNew], [1, true]);
  assert.equal(store.find("x"), 1);
  assert.equal(store.find("y".repeat(5_000)), undefined);
});
