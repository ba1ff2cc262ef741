import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Backlog } from "../../src/peer/backlog.js";
import { encodeMessage, Publication, topicHead } from "../../src/peer/publication.js";
import { Replay } from "../../src/peer/replay.js";

const HEAD = topicHead("t");

function publication(order: number, size: number): Publication {
  const data = Buffer.alloc(Math.max(size, 8));
  data.writeUInt32LE(order, 0);
  return new Publication("t", order, encodeMessage(HEAD, data, data.length, false));
}

test("what is replayed to many counts once, and who comes when it was let go gets it all the same", () => {
  const replay = new Replay({ messages: 5, maxBytes: 1e6 });
  const backlog = new Backlog(1_000);
  replay.add(publication(1, 500));
  for (let subscriber = 0; subscriber < 40; subscriber++) {
    for (const old of replay.find("t", 1)) backlog.hold(old);
  }
  assert.equal(backlog.heldBytes, publication(1, 500).costBytes);
  const [first] = replay.find("t", 1);
  backlog.hold(publication(2, 900));
  assert.equal(first?.bytes, undefined);
  assert.equal(replay.find("t", 1)[0]?.bytes?.length, publication(1, 500).bytes?.length);
});

test("the last messages of each topic are kept, as many as there is memory for", () => {
  const publish = (topic: string, order: number) =>
    new Publication(topic, order, encodeMessage(topicHead(topic), "x", 1, true));
  const one = publish("a", 0).costBytes;
  const property = fc.property(
    fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 300 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 12 }),
    (topics, messages, places) => {
      const replay = new Replay({ messages, maxBytes: places * one });
      for (const [index, topic] of topics.entries()) {
        replay.add(publish(topic, index));
        assert.ok(replay.heldBytes <= places * one);
      }
      const last = topics
        .map((topic, index) => ({ topic, index }))
        .filter(({ topic, index }) => topics.slice(index + 1).filter((other) => other === topic).length < messages);
      const found = replay.find(">", messages).map(({ order }) => order);
      // Those that had to go were the oldest at that time, so what is left has the newest.
      assert.deepEqual(
        found,
        [...found].sort((a, b) => a - b),
      );
      for (const order of found) assert.ok(last.some(({ index }) => index === order));
      if (last.length <= places && new Set(topics).size * messages <= places) assert.equal(found.length, last.length);
      assert.deepEqual(
        replay.find("b", 1).map(({ order }) => order),
        found.filter((order) => topics[order] === "b").slice(-1),
      );
    },
  );
  fc.assert(property, { numRuns: 300 });
});
