import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Backlog } from "../../src/peer/backlog.js";
import type { Inflow } from "../../src/peer/flow.js";
import { Writer } from "../../src/peer/flow.js";
import { encodeMessage, Publication, topicHead } from "../../src/peer/publication.js";
import { Replay } from "../../src/peer/replay.js";
import { Subscriber, type SubscriberOptions } from "../../src/peer/subscriber.js";
import { TopicReader } from "../../src/peer/topic-reader.js";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import { FakeTime } from "../support/time.js";

const UNDER_WAY_BYTES = 1_000;
const HEAD = topicHead("t");

function publication(order: number, size: number): Publication {
  const data = Buffer.alloc(Math.max(size, 8));
  data.writeUInt32LE(order, 0);
  return new Publication("t", order, encodeMessage(HEAD, data, data.length, false));
}

/** A subscriber without a connection: the test takes out what it has written. */
class Bench {
  readonly stream = new OutgoingStream(UNDER_WAY_BYTES);
  readonly out = new Writer(this.stream, () => {});
  readonly backlog: Backlog;
  readonly time = new FakeTime();
  readonly subscriber: Subscriber;
  readonly received: number[] = [];
  readonly reader: TopicReader;
  dropped = 0;
  state = "open";
  readonly #pieces: Buffer[] = [];

  constructor(
    options: Partial<SubscriberOptions> = {},
    replayed: readonly Publication[] = [],
    backlog = new Backlog(1e9),
    onOver = () => {},
  ) {
    this.backlog = backlog;
    this.stream.attach({ wake() {}, onQueued() {} });
    const exchange = {
      end: () => {
        this.state = "ended";
      },
      fail: (code: string, text: string) => {
        this.state = `${code} ${text}`;
        this.stream.discard();
      },
    };
    const all = { slow: "drop", maxMessages: 10, maxBytes: 1e9, maxWaitMs: 0, ...options } as const;
    const parts = { backlog, time: this.time };
    this.subscriber = new Subscriber(exchange, this.out, all, parts, onOver);
    this.subscriber.begin(replayed);
    const inflow: Inflow = {
      read: () => this.#pieces.shift(),
      isEnded: false,
      readable: () => Promise.resolve(),
      stop() {},
    };
    this.reader = new TopicReader(inflow, { maxBytes: 1e9 });
  }

  /** Reads so many bytes. */
  read(bytes: number): void {
    this.stream.take(Math.min(bytes, this.stream.queuedBytes), (chunk) => this.#pieces.push(Buffer.from(chunk)));
    if (!this.reader.begin()) return;
    while (this.reader.next()) {
      if (this.reader.isLast) {
        this.state += " after its last record";
        return;
      }
      const message = this.reader.message();
      this.dropped += message.dropped;
      this.received.push(message.bytes[0] as number | 0);
      assert.equal(Buffer.from(message.bytes).readUInt32LE(0), this.received.length + this.dropped, "out of order");
    }
  }

  /** Reads all there is. */
  async readOn(): Promise<void> {
    do {
      this.read(Infinity);
      await settled();
    } while (this.stream.queuedBytes > 0);
  }
}

/** Promises that are resolved have told. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("of a subscriber that reads now and then, each message is received in order or counted as dropped", async () => {
  const steps = fc.array(fc.oneof(fc.record({ publish: fc.nat(400) }), fc.record({ read: fc.nat(3_000) })), {
    maxLength: 150,
  });
  const limits = fc.record({
    maxMessages: fc.integer({ min: 1, max: 12 }),
    maxBytes: fc.integer({ min: 1, max: 3_000 }),
  });
  const property = fc.asyncProperty(steps, limits, async (all, options) => {
    const bench = new Bench(options);
    let published = 0;
    for (const step of all) {
      if ("publish" in step) bench.subscriber.offer(publication(++published, step.publish));
      else bench.read(step.read);
      await settled();
    }
    bench.subscriber.end();
    await bench.readOn();
    assert.equal(bench.received.length + bench.reader.dropped, published);
    assert.equal(bench.state, "ended after its last record");
    assert.equal(bench.backlog.heldBytes, 0);
  });
  await fc.assert(property, { numRuns: 200 });
});

test("what is dropped is the oldest, and the next message says how many", async () => {
  const bench = new Bench({ maxMessages: 3 });
  // The first is more than what may be under way.
  bench.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  for (let order = 2; order <= 10; order++) bench.subscriber.offer(publication(order, 10));
  await bench.readOn();
  assert.deepEqual(bench.received, [1, 8, 9, 10]);
  assert.equal(bench.dropped, 6);
});

test("disconnect ends the subscription at the first message too many", async () => {
  const bench = new Bench({ slow: "disconnect", maxMessages: 3 });
  bench.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  for (let order = 2; order <= 4; order++) bench.subscriber.offer(publication(order, 10));
  assert.equal(bench.state, "open");
  bench.subscriber.offer(publication(5, 10));
  assert.match(bench.state, /^OVERLOADED the subscriber is too slow: 3 messages of \d+ bytes wait for it$/);
  assert.equal(bench.backlog.heldBytes, 0);
});

test("wait holds back the publisher until it is taken, and no longer than the server allows", async () => {
  const bench = new Bench({ slow: "wait", maxWaitMs: 1_000 });
  const first = publication(1, UNDER_WAY_BYTES);
  bench.subscriber.offer(first);
  assert.equal(first.whenTaken(), undefined);
  const second = publication(2, 10);
  bench.subscriber.offer(second);
  let isTaken = false;
  const taken = second.whenTaken()?.then(() => {
    isTaken = true;
  });
  bench.time.advance(999);
  await settled();
  assert.equal(isTaken, false);
  await bench.readOn();
  await taken;
  const third = publication(3, UNDER_WAY_BYTES);
  bench.subscriber.offer(third);
  const fourth = publication(4, 10);
  bench.subscriber.offer(fourth);
  bench.time.advance(1_000);
  await fourth.whenTaken();
  assert.match(bench.state, /^OVERLOADED .* it has taken nothing for 1000 ms, and the publisher waits for it$/);
});

test("who wants to be waited for and is not is not dropped from in silence", () => {
  const bench = new Bench({ slow: "wait", maxMessages: 2 });
  bench.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  for (let order = 2; order <= 4; order++) bench.subscriber.offer(publication(order, 10));
  assert.match(bench.state, /^OVERLOADED /);
});

test("what waits for all subscribers is bounded, each message counted once, and the loss is told", async () => {
  const backlog = new Backlog(10_000);
  const benches = Array.from({ length: 5 }, () => new Bench({ maxMessages: 1_000 }, [], backlog));
  const waiting = new Bench({ slow: "wait", maxMessages: 1_000 }, [], backlog);
  const all = Array.from({ length: 200 }, (_, index) => publication(index + 1, index === 0 ? UNDER_WAY_BYTES : 500));
  for (const one of all) {
    for (const bench of [...benches, waiting]) bench.subscriber.offer(one);
    assert.ok(backlog.heldBytes <= 10_000);
  }
  for (const bench of benches) {
    await bench.readOn();
    assert.equal(bench.received.length + bench.dropped, 200);
    assert.ok(bench.received.length >= 10);
  }
  await waiting.readOn();
  assert.match(waiting.state, /^OVERLOADED .*too much memory/);
  assert.equal(backlog.heldBytes, 0);
});

test("a subscriber whose message was let go while the server closes is told so, and counted once", async () => {
  const backlog = new Backlog(2_000);
  let ends = 0;
  const bench = new Bench({ slow: "disconnect" }, [], backlog, () => ends++);
  bench.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  bench.subscriber.offer(publication(2, 10));
  bench.subscriber.end();
  backlog.hold(publication(3, 1_900));
  await bench.readOn();
  assert.match(bench.state, /^OVERLOADED .*too much memory/);
  assert.equal(ends, 1);
});

test("a large message leaves in pieces, and is one that is received", async () => {
  const bench = new Bench();
  bench.subscriber.offer(publication(1, 1_000_000));
  assert.ok(bench.stream.queuedBytes < 100_000);
  await bench.readOn();
  assert.deepEqual(bench.received, [1]);
});

test("who begins with earlier messages is told which they are, and how many had no place", async () => {
  const earlier = Array.from({ length: 5 }, (_, index) => publication(index + 1, UNDER_WAY_BYTES));
  const bench = new Bench({ maxMessages: 3 }, earlier);
  bench.subscriber.offer(publication(6, 10));
  const kinds: boolean[] = [];
  const original = bench.reader.message.bind(bench.reader);
  bench.reader.message = () => {
    const message = original();
    kinds.push(message.isReplayed);
    return message;
  };
  await bench.readOn();
  assert.deepEqual([bench.dropped, bench.received, kinds], [2, [3, 4, 5, 6], [true, true, true, false]]);
});

test("who wants to be waited for and keeps nobody waiting may take its time", async () => {
  const bench = new Bench({ slow: "wait", maxWaitMs: 1_000 });
  bench.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  bench.time.advance(5_000);
  assert.equal(bench.state, "open");
  bench.subscriber.offer(publication(2, 10));
  bench.time.advance(999);
  assert.equal(bench.state, "open");
  bench.time.advance(1);
  assert.match(bench.state, /^OVERLOADED /);
});

test("what is kept for later stays, also when nobody who waits for it gets it", () => {
  const backlog = new Backlog(100);
  const replay = new Replay({ messages: 10, maxBytes: 10_000 });
  for (let order = 1; order <= 3; order++) {
    const one = publication(order, 50);
    replay.add(one);
    backlog.hold(one);
    assert.equal(backlog.heldBytes, one.costBytes);
  }
  for (let round = 0; round < 2; round++) {
    const found = replay.find("t", 10);
    assert.deepEqual(
      found.map(({ order, bytes }) => `${order} ${bytes?.length}`),
      ["1 57", "2 57", "3 57"],
    );
    for (const one of found) backlog.hold(one);
  }
});

test("who has lost all that waited for him is told before the next message", async () => {
  const backlog = new Backlog(500);
  const [bench, other] = [new Bench({}, [], backlog), new Bench({}, [], backlog)];
  bench.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  bench.subscriber.offer(publication(2, 10));
  other.subscriber.offer(publication(1, UNDER_WAY_BYTES));
  other.subscriber.offer(publication(2, 400));
  await bench.readOn();
  assert.deepEqual(bench.received, [1]);
  bench.subscriber.offer(publication(3, 10));
  await bench.readOn();
  assert.deepEqual([bench.received, bench.dropped], [[1, 3], 1]);
});
