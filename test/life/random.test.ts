import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EarshotError } from "../../src/errors.js";
import type { Retry } from "../../src/index.js";
import { settle, World } from "./support.js";

const RUNS = Number(process.env.EARSHOT_LIFE_RUNS ?? 150);

type Step =
  | { readonly kind: "send"; readonly retry: Retry; readonly timeoutMs: number; readonly how: "whole" | "stream" }
  | { readonly kind: "give up"; readonly which: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "serve" | "kill" | "cut" | "close" | "answer" | "news" | "reconnect" | "turn" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      retry: fc.constantFrom<Retry>(false, "unsent", "idempotent"),
      timeoutMs: fc.constantFrom(0, 0, 0, 500),
      how: fc.constantFrom("whole" as const, "whole" as const, "stream" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("give up" as const), which: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 30, 400, 2_000) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(["serve", "kill", "cut", "close", "answer", "answer", "news", "reconnect", "turn", "turn"] as const),
      ),
    }),
  },
);

interface Sent {
  readonly retry: Retry;
  readonly controller: AbortController;
  outcome: string | undefined;
  handled: number;
}

/** Servers that answer when the test says so, at random, or when they are asked to close. */
class Handlers {
  readonly #waiting: (() => void)[] = [];
  readonly #all: Sent[];

  constructor(all: Sent[]) {
    this.#all = all;
  }

  readonly handle = async (message: { text(): string }): Promise<string> => {
    const text = message.text();
    const sent = this.#all[Number(text)];
    if (sent !== undefined) sent.handled++;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return `got ${text}`;
  };

  answer(count = Infinity): void {
    for (const resolve of this.#waiting.splice(0, count)) resolve();
  }
}

async function play(steps: readonly Step[], t: { after(action: () => unknown): void }): Promise<void> {
  const world = new World(t);
  const all: Sent[] = [];
  const handlers = new Handlers(all);
  // One memory for all servers, as one that is on disk.
  const { MemoryDeduplicator } = await import("../../src/peer/deduplication.js");
  const limits = { maxIds: 1_000, maxReplyBytes: 1_000_000, keepMs: 1e9 };
  let deduplicate = new MemoryDeduplicator(limits, world.time);
  const client = world.client({ maxWaiting: 6 });
  let acceptor: ReturnType<World["serve"]> | undefined;
  const serve = () => {
    acceptor ??= world.serve(handlers.handle as never, { deduplicate });
  };
  serve();
  const send = ({ retry, timeoutMs, how }: Step & { readonly kind: "send" }) => {
    const sent: Sent = { retry, controller: new AbortController(), outcome: undefined, handled: 0 };
    const text = String(all.length);
    all.push(sent);
    const settled = (outcome: string) => {
      assert.equal(sent.outcome, undefined, "settled twice");
      sent.outcome = outcome;
    };
    async function* source() {
      yield text;
    }
    client.send(how === "whole" ? text : source(), { retry, timeoutMs, signal: sent.controller.signal }).then(
      (reply) => {
        assert.equal(reply.text(), `got ${text}`);
        settled("reply");
      },
      (error: unknown) => {
        assert.ok(error instanceof EarshotError, String(error));
        settled(`${error.code} ${error.delivery}`);
      },
    );
  };
  for (const [index, next] of steps.entries()) {
    // Some steps follow each other at once, most when all that follows from the one before has happened.
    if (index % 4 > 0) await settle();
    if (next.kind === "send") send(next);
    else if (next.kind === "advance") world.time.advance(next.ms);
    else if (next.kind === "give up") all[next.which]?.controller.abort();
    else if (next.kind === "serve") serve();
    else if (next.kind === "answer") handlers.answer(2);
    else if (next.kind === "cut") world.cut();
    else if (next.kind === "news") world.news?.();
    else if (next.kind === "reconnect") client.reconnect();
    else if (next.kind === "turn") await settle();
    else if (acceptor !== undefined) {
      if (next.kind === "kill") {
        world.kill();
        // What it was handling, it does not finish.
        deduplicate = new MemoryDeduplicator(limits, world.time);
      } else {
        world.vanish();
        void acceptor.close(Infinity);
      }
      acceptor = undefined;
    }
  }
  serve();
  for (let round = 0; round < 60 && all.some(({ outcome }) => outcome === undefined); round++) {
    world.time.advance(6_000);
    handlers.answer();
    await settle();
  }
  for (const { outcome, retry, handled } of all) {
    assert.ok(outcome !== undefined, `never settled: ${retry}, handled ${handled} times, ${client.state.kind}`);
    if (outcome === "reply") assert.ok(handled > 0, "a reply to what nobody has handled");
    if (outcome.endsWith("unsent")) assert.equal(handled, 0, `${outcome}, but handled`);
    if (retry !== "idempotent") assert.ok(handled <= 1, `handled ${handled} times with retry ${retry}`);
  }
  await client.close({ graceMs: 0 });
  assert.equal(world.time.timers.all, 0);
}

test(`whatever happens (${RUNS} times), each message is settled once, and its outcome is true`, async (t) => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30 }), async (steps) => {
    const cleanups: (() => unknown)[] = [];
    try {
      await play(steps, { after: (action) => void cleanups.push(action) });
    } finally {
      for (const cleanup of cleanups) await cleanup();
    }
  });
  await fc.assert(property, { numRuns: RUNS });
  t.diagnostic(`${RUNS} runs`);
});
