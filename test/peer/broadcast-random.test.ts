import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { listen, type Subscription } from "../../src/index.js";
import { matches, tokensOf } from "../../src/peer/topic.js";
import { connect, cut, socketPath } from "./support.js";

const topic = fc.constantFrom("a", "b", "a.a", "a.b");
const pattern = fc.constantFrom("a", ">", "a.*", "*", "a.>");
const subscriber = fc.record({
  pattern,
  slow: fc.constantFrom("drop" as const, "drop" as const, "wait" as const),
  maxQueuedMessages: fc.integer({ min: 1, max: 40 }),
  client: fc.nat(1),
});
const step = fc.oneof(
  fc.record({ publish: topic, count: fc.integer({ min: 1, max: 30 }), size: fc.constantFrom(10, 5_000, 70_000) }),
  fc.record({ reader: fc.nat(5), count: fc.integer({ min: 1, max: 40 }) }),
);

/** What one subscriber got: the numbers of its messages, and how many were dropped between them. */
class Reading {
  readonly subscription: Subscription;
  readonly received: { readonly number: number; readonly dropped: number }[] = [];
  readonly #left: Promise<void>[] = [];

  constructor(subscription: Subscription) {
    this.subscription = subscription;
  }

  read(count: number): void {
    for (let index = 0; index < count; index++) this.#left.push(this.#next());
  }

  async toEnd(): Promise<void> {
    await Promise.all(this.#left);
    for await (const message of this.subscription) this.#take(message);
  }

  async #next(): Promise<void> {
    const { value } = await this.subscription.next();
    if (value !== undefined) this.#take(value);
  }

  #take({ bytes, dropped }: { readonly bytes: Uint8Array; readonly dropped: number }): void {
    this.received.push({ number: Buffer.from(bytes).readUInt32LE(0), dropped });
  }
}

test("whatever subscribers do, each gets what was published for it, in order, or is told how much is missing where", async (t) => {
  const property = fc.asyncProperty(
    fc.array(subscriber, { minLength: 1, maxLength: 5 }),
    fc.array(step, { maxLength: 30 }),
    async (wishes, steps) => {
      const server = await listen(socketPath(t), () => undefined, {
        broadcast: { maxWaitMs: 0, maxQueuedBytes: 1_000_000_000 },
      });
      const clients = [await connect(t, server), await connect(t, server)] as const;
      const readings = wishes.map(({ client, pattern: wanted, ...options }) => {
        // Who wants to be waited for is read by a publisher that does not wait: it needs room for all.
        const wish = options.slow === "wait" ? { slow: options.slow } : options;
        return new Reading(clients[client as 0 | 1].subscribe(wanted, wish));
      });
      await Promise.all(readings.map(({ subscription }) => subscription.ready));
      const published: string[] = [];
      for (const one of steps) {
        if ("publish" in one) {
          for (let index = 0; index < one.count; index++) {
            const data = Buffer.alloc(one.size);
            data.writeUInt32LE(published.length);
            published.push(one.publish);
            void server.publish(one.publish, data);
          }
        } else readings[one.reader % readings.length]?.read(one.count);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const closing = server.close();
      await Promise.all(readings.map((reading) => reading.toEnd()));
      await closing;
      await Promise.all(clients.map(cut));
      for (const { subscription, received } of readings) {
        const tokens = tokensOf(subscription.pattern);
        const expected = [...published.keys()].filter((number) => matches(tokens, tokensOf(published[number] ?? "")));
        let at = 0;
        for (const { number, dropped } of received) {
          at += dropped;
          assert.equal(number, expected[at++], "out of order, or not as many dropped as it says");
        }
        assert.equal(received.length + subscription.dropped, expected.length);
      }
    },
  );
  await fc.assert(property, { numRuns: 40 });
});
