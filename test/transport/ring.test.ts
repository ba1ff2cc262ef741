import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CONTROL_BYTES, type RingMemory, RingReader, RingWriter } from "../../src/transport/ring.js";
import { pattern } from "../support/bytes.js";
import { rejectsRing } from "./rings.js";

const PRIVATE_BYTES = 4_096;

/** A ring in ordinary memory, behind other bytes, with private ones behind it. */
function makeRing(size: number) {
  const buffer = new ArrayBuffer(CONTROL_BYTES + size + PRIVATE_BYTES);
  const memory: RingMemory = {
    control: new Int32Array(buffer, 0, CONTROL_BYTES / 4),
    bytes: Buffer.from(buffer),
    start: CONTROL_BYTES,
    size,
  };
  return { memory, privateStart: CONTROL_BYTES + size, writer: new RingWriter(memory), reader: new RingReader(memory) };
}

type Ring = ReturnType<typeof makeRing>;

/** Reads so many bytes, in one of the two ways. */
function read({ reader, memory, privateStart }: Ring, count: number, isPrivate: boolean): Buffer {
  const into = Buffer.alloc(count);
  reader.read(count, isPrivate ? privateStart : into);
  return isPrivate ? Buffer.from(memory.bytes.subarray(privateStart, privateStart + count)) : into;
}

test("what comes out is what went in, in order, however it is cut and wherever the positions are", () => {
  const step = fc.record({
    kind: fc.constantFrom("put", "publish", "read"),
    bytes: fc.nat({ max: 300 }),
    isPrivate: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 4, max: 8 }), (steps, bits) => {
      const ring = makeRing(2 ** bits);
      const queue: number[] = [];
      let published = 0;
      let next = 0;
      for (const { kind, bytes, isPrivate } of steps) {
        if (kind === "put") {
          const given = Uint8Array.from({ length: bytes }, (_, index) => (next + index) * 7);
          const taken = ring.writer.put(given);
          assert.equal(taken, Math.min(bytes, 2 ** bits - queue.length));
          queue.push(...given.subarray(0, taken));
          next += taken;
        } else if (kind === "publish") {
          ring.writer.publish();
          published = queue.length;
        } else {
          assert.equal(ring.reader.available, published);
          const count = Math.min(bytes, published);
          assert.deepEqual([...read(ring, count, isPrivate)], queue.splice(0, count));
          published -= count;
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("positions pass 2^32 as if nothing were there", () => {
  const ring = makeRing(65_536);
  const bytes = pattern(65_536, 3);
  for (let round = 0; round < 2 ** 16 + 3; round++) {
    assert.equal(ring.writer.put(bytes), 65_536);
    ring.writer.publish();
    if (round % 8_192 === 0 || round > 2 ** 16 - 2) {
      assert.equal(ring.reader.available, 65_536);
      assert.equal(read(ring, 65_536, false).equals(bytes), true);
    } else {
      assert.equal(ring.reader.available, 65_536);
      ring.reader.read(65_536, Buffer.alloc(0));
    }
  }
});

test("a reader is woken once for each sleep, and only when it sleeps", () => {
  const { writer, reader } = makeRing(64);
  const put = () => {
    writer.put(Buffer.from("x"));
    return writer.publish();
  };
  assert.equal(put(), false, "nobody has begun to read");
  assert.equal(writer.hasReader, false);
  assert.equal(reader.sleep(), false, "there is something to read");
  assert.equal(writer.hasReader, true);
  reader.read(1, Buffer.alloc(1));
  assert.equal(reader.sleep(), true);
  assert.deepEqual([put(), put()], [true, false]);
  reader.read(reader.available, Buffer.alloc(2));
  assert.equal(reader.sleep(), true);
  reader.stayAwake();
  assert.equal(put(), false);
});

test("the end is told behind the last byte, and wakes who sleeps", () => {
  const { writer, reader } = makeRing(64);
  assert.equal(reader.sleep(), true);
  writer.put(Buffer.from("x"));
  assert.equal(writer.publish(), true);
  assert.equal(writer.end(), false);
  assert.deepEqual([reader.hasEnded, reader.available], [true, 1]);
  reader.read(1, Buffer.alloc(1));
  assert.equal(reader.sleep(), false);
});

test("a writer is woken when half a ring is free again, and once", () => {
  const { writer, reader } = makeRing(64);
  writer.put(Buffer.alloc(64));
  writer.publish();
  assert.equal(writer.waitForRoom(), true);
  assert.equal(reader.available, 64);
  const into = Buffer.alloc(64);
  assert.deepEqual([reader.read(31, into), reader.read(1, into), reader.read(1, into)], [false, true, false]);
  assert.equal(writer.waitForRoom(), false, "there is room");
  assert.equal(reader.read(1, into), false, "nobody waits");
});

test("a peer that writes anything over the words is found out, and nothing outside the ring is touched", () => {
  const word = fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 64, 65), fc.integer());
  const act = fc.record({ at: fc.constantFrom(0, 1, 2, 3, 32, 33), value: word, bytes: fc.nat({ max: 100 }) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 50 }), (acts) => {
      const ring = makeRing(64);
      const { control, bytes } = ring.memory;
      bytes.fill(0xaa, ring.privateStart);
      for (const { at, value, bytes: count } of acts) {
        control[at] = value;
        const isOver = rejectsRing(() => {
          ring.writer.put(Buffer.alloc(count, 0x55));
          ring.writer.publish();
          ring.writer.waitForRoom();
          const { available } = ring.reader;
          assert.ok(available >= 0 && available <= 64, `${available} bytes in a ring of 64`);
          ring.reader.read(available, Buffer.alloc(64));
          ring.reader.sleep();
        });
        assert.equal(
          bytes.subarray(ring.privateStart).every((byte) => byte === 0xaa),
          true,
        );
        if (isOver) return;
      }
    }),
    { numRuns: 2_000 },
  );
});
