import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { connect, serve, WIRES } from "../peer/support.js";
import { pattern } from "../support/bytes.js";

const KIB = 1_024;
const MIB = 1_048_576;
const CLIENTS = 8;
const ROUNDS = 24;

function checksum(bytes: Uint8Array): Buffer {
  return createHash("sha1").update(bytes).digest();
}

/** The same numbers in every run: a small generator with a seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** As many small ones as large ones: each power of two is as likely as the next; the borders of frames and reads, too. */
function randomSize(next: () => number): number {
  const borders = [0, 1, 8 * KIB, 8 * KIB + 1, 16 * KIB, 64 * KIB, 128 * KIB, 128 * KIB + 1, 256 * KIB, MIB, 8 * MIB];
  if (next() < 0.3) return borders[Math.floor(next() * borders.length)]!;
  return Math.floor(2 ** (next() * 23));
}

test("messages of 0 bytes to 8 MiB, of eight clients at once on both wires, arrive whole in both directions", async (t) => {
  let received = 0;
  // The reply: the checksum of the message, then bytes of another size, then their checksum.
  const server = await serve(t, async (message) => {
    received++;
    const next = random(message.byteLength + received);
    const answer = pattern(Math.min(randomSize(next), 2 * MIB), received);
    if (next() < 0.5) await new Promise((resolve) => setImmediate(resolve));
    return Buffer.concat([checksum(message.bytes), answer, checksum(answer)]);
  });
  const source = pattern(9 * MIB);
  let bytes = 0;
  const work = Array.from({ length: CLIENTS }, async (_, index) => {
    const wire = WIRES[index % 2]!;
    const client = await connect(t, server, { wire });
    const next = random(index + 1);
    const sendOne = async () => {
      // An empty plain connection is no message.
      const size = Math.max(randomSize(next), wire === "plain" ? 1 : 0);
      const start = Math.floor(next() * (source.length - size));
      const message = source.subarray(start, start + size);
      const reply = Buffer.from((await client.send(message)).bytes);
      const answer = reply.subarray(20, -20);
      assert.ok(reply.subarray(0, 20).equals(checksum(message)), `${wire}: ${size} bytes there`);
      assert.ok(reply.subarray(-20).equals(checksum(answer)), `${wire}: ${answer.length} bytes back`);
      bytes += size + answer.length;
    };
    for (let round = 0; round < ROUNDS; round += 4) await Promise.all([1, 2, 3, 4].map(sendOne));
  });
  await Promise.all(work);
  assert.equal(received, CLIENTS * ROUNDS);
  t.diagnostic(`${(bytes / MIB).toFixed()} MiB in ${received} messages and their replies`);
});

for (const wire of WIRES) {
  test(`${wire}: a message of 64 MiB, which is the most by default, and its echo`, async (t) => {
    const server = await serve(t, (message) => message.bytes);
    const client = await connect(t, server, { wire });
    const bytes = pattern(64 * MIB);
    assert.ok(bytes.equals((await client.send(bytes)).bytes));
  });
}

test("100,000 small messages of four clients are all acknowledged, each with its own reply", async (t) => {
  const server = await serve(t, (message) => message.bytes);
  await Promise.all(
    Array.from({ length: 4 }, async (_, index) => {
      const client = await connect(t, server);
      for (let start = 0; start < 25_000; start += 2_500) {
        const texts = Array.from({ length: 2_500 }, (_, offset) => `${index}:${start + offset}`);
        const replies = await Promise.all(texts.map((text) => client.send(text)));
        assert.ok(replies.every((reply, offset) => reply.text() === texts[offset]));
      }
    }),
  );
});
