import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deduplicator, Recorded } from "../../src/index.js";
import { checkDeduplicate, MemoryDeduplicator } from "../../src/peer/deduplication.js";
import { Gate, outcome, rejection } from "../peer/support.js";
import { FakeClock } from "../support/clock.js";
import { settle, World } from "./support.js";

const record = (text: string): Recorded => ({ reply: Buffer.from(text) });
const textOf = (known: unknown) =>
  known === undefined ? undefined : Buffer.from((known as Recorded).reply).toString();

function memory(limits: { maxIds?: number; maxReplyBytes?: number; keepMs?: number } = {}) {
  const clock = new FakeClock();
  return { clock, memory: new MemoryDeduplicator({ maxIds: 3, maxReplyBytes: 10, keepMs: 100, ...limits }, clock) };
}

test("what is finished is remembered, what is forgotten is begun anew, and each is begun once at a time", async () => {
  const { memory: ids } = memory();
  assert.equal(ids.begin("a"), undefined);
  const [second, third, fourth] = [ids.begin("a"), ids.begin("a"), ids.begin("a")];
  ids.forget("a");
  assert.equal(await second, undefined);
  ids.finish("a", record("done"));
  assert.deepEqual([textOf(await third), textOf(await fourth), textOf(ids.begin("a"))], ["done", "done", "done"]);
});

test("the oldest go first: by number, by bytes, and by age; a reply that is too large is not kept", () => {
  const { memory: ids, clock } = memory();
  const keep = (key: string, text: string) => {
    assert.equal(ids.begin(key), undefined, key);
    ids.finish(key, record(text));
  };
  for (const key of ["a", "b", "c", "d"]) keep(key, "x");
  keep("a", "x");
  assert.equal(textOf(ids.begin("c")), "x");
  keep("e", "123456789");
  assert.equal(textOf(ids.begin("a")), "x");
  keep("c", "y");
  assert.equal(textOf(ids.begin("c")), "y");
  keep("large", "12345678901");
  assert.equal(ids.begin("large"), undefined);
  ids.forget("large");
  clock.advance(99);
  assert.equal(textOf(ids.begin("c")), "y");
  clock.advance(1);
  assert.equal(ids.begin("c"), undefined);
});

test("what cannot be a memory is refused by name", () => {
  for (const [wrong, text] of [
    [true, /^Cannot use deduplicate: true/],
    [null, /^Cannot use deduplicate: null/],
    [{ maxIds: 0 }, /^Cannot use deduplicate.maxIds: 0/],
    [{ keepMs: "1" }, /^Cannot use deduplicate.keepMs: 1/],
  ] as const) {
    assert.throws(() => checkDeduplicate(wrong as never), { code: "INVALID_ARGUMENT", message: text });
  }
  assert.equal(checkDeduplicate(false), undefined);
});

/** A memory that takes its time, and fails when it is told to. */
class Slow implements Deduplicator {
  readonly #inner = memory({ maxReplyBytes: 1_000 }).memory;
  readonly written = new Gate();
  failure: Error | undefined;

  begin(key: string) {
    if (this.failure !== undefined) throw this.failure;
    return this.#inner.begin(key);
  }

  async finish(key: string, reply: Recorded): Promise<void> {
    await this.written.opened;
    if (this.failure !== undefined) throw this.failure;
    this.#inner.finish(key, reply);
  }

  forget(key: string): void {
    this.#inner.forget(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

test("a reply leaves when the memory has it, and not before; what the handler gave may change meanwhile", async (t) => {
  const world = new World(t);
  const slow = new Slow();
  const bytes = Buffer.from("good");
  world.serve(() => bytes, { deduplicate: slow });
  const client = world.client();
  const sending = outcome(client.send("a", { id: "x" }));
  let isSettled = false;
  void sending.then(() => {
    isSettled = true;
  });
  await settle();
  assert.equal(isSettled, false);
  bytes.write("evil");
  slow.written.open();
  assert.equal(await sending, "reply good");
  assert.equal(await outcome(client.send("a", { id: "x" })), "reply good");
});

test("a memory that fails fails the message, and says whether it was handled", async (t) => {
  const world = new World(t);
  const slow = new Slow();
  let handled = 0;
  world.serve(() => String(++handled), { deduplicate: slow });
  const client = world.client({ retry: "idempotent" });
  const first = rejection(client.send("a"));
  await settle();
  slow.failure = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  slow.written.open();
  const written = await first;
  assert.deepEqual([written.code, written.remoteCode, handled], ["HANDLER_FAILED", "ENOSPC", 1]);
  assert.match(written.message, /it was handled, but that could not be remembered: no space left on device$/);
  const read = await rejection(client.send("b"));
  assert.deepEqual([read.code, handled], ["HANDLER_FAILED", 1]);
  assert.match(read.message, /it was not handled: no space left on device$/);
  assert.equal(await outcome(client.send("c", { retry: false })), "reply 2");
});

test("who gives up while another handles the same message gets nothing, and blocks nobody", async (t) => {
  const world = new World(t);
  const [begun, go] = [new Gate(), new Gate()];
  let handled = 0;
  world.serve(
    async () => {
      handled++;
      begun.open();
      await go.opened;
      throw new Error("no");
    },
    { maxInFlight: 2 },
  );
  const client = world.client();
  const first = outcome(client.send("a", { id: "x" }));
  await begun.opened;
  const controller = new AbortController();
  const second = outcome(client.send("a", { id: "x", signal: controller.signal }));
  await settle();
  controller.abort();
  assert.equal(await second, "CANCELLED unknown");
  await settle();
  go.open();
  assert.equal(await first, "HANDLER_FAILED unknown");
  // The place of the second is free, and so is the id.
  const more = [1, 2, 3].map(() => outcome(client.send("a", { id: "x" })));
  assert.deepEqual(await Promise.all(more), Array(3).fill("HANDLER_FAILED unknown"));
  assert.equal(handled, 4);
});

test("a reply that is a stream is not remembered, and without a memory nothing is", async (t) => {
  const world = new World(t);
  let handled = 0;
  const stream = async function* () {
    yield String(++handled);
  };
  world.serve(stream as never);
  const client = world.client();
  const twice = async () => [
    await outcome(client.send("a", { id: "x" })),
    await outcome(client.send("a", { id: "x" })),
  ];
  assert.deepEqual(await twice(), ["reply 1", "reply 2"]);
  world.kill();
  world.serve(() => String(++handled), { deduplicate: false });
  await settle();
  assert.deepEqual(await twice(), ["reply 3", "reply 4"]);
});
