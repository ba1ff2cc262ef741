/** For each way to send: connections are cut again and again, after any number of bytes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Client, DialOptions, Message } from "../../src/index.js";
import { inbox, openOutbox } from "../../src/outbox/index.js";
import { connect, outcome, serve } from "../peer/support.js";
import { CuttingProxy } from "../support/cutting-proxy.js";
import { Random } from "../support/random.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };
const COUNT = 200;
const SEED = Number(process.env.EARSHOT_SEED ?? Date.now() % 1_000_000);
/** A greeting, and a few waves: with less, what is sent again after each cut would seldom get through. */
const MOST_BYTES = 6_000;
const RECONNECT = { minDelayMs: 1, maxDelayMs: 5 };

const textOf = (index: number) => `${index} `.padEnd(100, "x");

/** A server that counts what it has handled, behind a proxy that cuts. */
class Line {
  readonly handled = new Map<string, number>();
  /** In the order in which they were first handled. */
  readonly firsts: string[] = [];
  readonly t: TestContext;
  #proxy: CuttingProxy | undefined;

  constructor(t: TestContext) {
    this.t = t;
    t.diagnostic(`EARSHOT_SEED=${SEED}`);
  }

  async start(inboxDirectory?: string): Promise<void> {
    const handler = (message: Message) => {
      const text = message.text();
      const times = this.handled.get(text) ?? 0;
      if (times === 0) this.firsts.push(text);
      this.handled.set(text, times + 1);
      return text;
    };
    const seen = inboxDirectory === undefined ? undefined : await inbox(inboxDirectory);
    const server = await serve(this.t, handler, { deduplicate: seen });
    if (seen !== undefined) this.t.after(() => seen.close());
    const random = new Random(SEED);
    this.#proxy = await CuttingProxy.start(this.t, server.address, () => random.below(MOST_BYTES));
  }

  get path(): string {
    return this.#proxy!.path;
  }

  timesOf(index: number): number {
    return this.handled.get(textOf(index)) ?? 0;
  }

  assertWasCut(): void {
    const { cuts } = this.#proxy!;
    this.t.diagnostic(`${cuts} connections were cut`);
    assert.ok(cuts >= 5, `${cuts} connections were cut`);
  }
}

async function* chunksOf(text: string): AsyncGenerator<string> {
  yield text.slice(0, 50);
  yield text.slice(50);
}

/** What became of each; eight are under way at a time. */
async function sendAll(line: Line, options: DialOptions, send: (client: Client, index: number) => Promise<unknown>) {
  const client = await connect(line.t, { address: line.path }, { connect: "lazy", reconnect: RECONNECT, ...options });
  const outcomes: string[] = [];
  for (let at = 0; at < COUNT; at += 8) {
    const wave = Array.from({ length: Math.min(8, COUNT - at) }, (_, index) => outcome(send(client, at + index)));
    outcomes.push(...(await Promise.all(wave)));
  }
  return outcomes;
}

for (const [name, options, send] of [
  ["retry false", {}, (client: Client, index: number) => client.send(textOf(index))],
  ["retry unsent", { retry: "unsent" }, (client: Client, index: number) => client.send(textOf(index))],
  ["stream", { retry: "idempotent" }, (client: Client, index: number) => client.send(chunksOf(textOf(index)))],
] as const) {
  test(
    `${name}, connections are cut: a reply is handled once, "unsent" never, "unknown" at most once`,
    LIMIT,
    async (t) => {
      const line = new Line(t);
      await line.start();
      const outcomes = await sendAll(line, options, send);
      for (const [index, became] of outcomes.entries()) {
        const times = line.timesOf(index);
        if (became === `reply ${textOf(index)}`) assert.equal(times, 1, became);
        else if (became.endsWith(" unsent")) assert.equal(times, 0, became);
        else assert.match(`${became}, ${times} times`, /^CONNECTION_LOST unknown, [01] times$/);
      }
      line.assertWasCut();
    },
  );
}

test("retry idempotent, connections are cut: every message gets its reply, and is handled once", LIMIT, async (t) => {
  const line = new Line(t);
  await line.start();
  const outcomes = await sendAll(line, { retry: "idempotent" }, (client, index) => client.send(textOf(index)));
  for (const [index, became] of outcomes.entries()) {
    assert.deepEqual([became, line.timesOf(index)], [`reply ${textOf(index)}`, 1]);
  }
  line.assertWasCut();
});

test(
  "plain wire, connections are cut: the handler may get a beginning, and the sender a beginning of its reply",
  LIMIT,
  async (t) => {
    const line = new Line(t);
    await line.start();
    const outcomes = await sendAll(line, { wire: "plain" }, (client, index) => client.send(textOf(index).repeat(10)));
    const sent = outcomes.map((_, index) => textOf(index).repeat(10));
    for (const [index, became] of outcomes.entries()) {
      if (became.startsWith("reply of ")) continue;
      assert.match(
        became,
        /^(reply |CONNECTION_LOST unknown|CONNECTION_CLOSED|NO_SERVER|CONNECTION_LOST unsent)/,
        `${index}`,
      );
    }
    const beginnings = [...line.handled.keys()].filter((text) => !sent.includes(text));
    assert.ok(beginnings.every((text) => sent.some((whole) => whole.startsWith(text))));
    assert.ok(beginnings.length > 0);
    line.assertWasCut();
  },
);

for (const memory of ["memory", "inbox"] as const) {
  test(
    `outbox and ${memory}, connections are cut: all is delivered, handled once, in the order of its key`,
    LIMIT,
    async (t) => {
      const line = new Line(t);
      const directory = temporaryDirectory(t);
      await line.start(memory === "inbox" ? join(directory, "inbox") : undefined);
      const retry = RECONNECT;
      const outbox = await openOutbox(join(directory, "outbox"), { address: line.path, retry, maxAttempts: 1_000 });
      t.after(() => outbox.close({ graceMs: 0 }));
      const indexes = Array.from({ length: COUNT }, (_, index) => index);
      await Promise.all(indexes.map((index) => outbox.post(textOf(index), { key: `${index % 5}` })));
      await outbox.flush();
      assert.deepEqual(
        [outbox.stats().dead, ...indexes.map((index) => line.timesOf(index))],
        [0, ...indexes.map(() => 1)],
      );
      for (const key of [0, 1, 2, 3, 4]) {
        const order = line.firsts.map((text) => Number.parseInt(text, 10)).filter((index) => index % 5 === key);
        assert.deepEqual(
          order,
          [...order].sort((a, b) => a - b),
        );
      }
      line.assertWasCut();
    },
  );
}
