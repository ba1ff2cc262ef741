import assert from "node:assert/strict";
import { test } from "node:test";
import { Message } from "../../src/message.js";
import { BodyMemory } from "../../src/session/body-memory.js";

const LEAST = 131_072;

function lent(memory: BodyMemory, bytes: number): Message {
  const buffer = memory.take(bytes) as Buffer;
  return memory.lend(new Message(buffer, 0, bytes), buffer);
}

test("memory that was lent is lent again, shown or not, and under a new name where it was shown", () => {
  const memory = new BodyMemory();
  const first = memory.take(LEAST) as Buffer;
  first.fill(7);
  const unshown = memory.lend(new Message(first, 0, LEAST), first);
  memory.takeBack(unshown, "");
  const second = memory.take(LEAST) as Buffer;
  assert.equal(second.buffer, first.buffer);
  const shown = memory.lend(new Message(second, 0, LEAST), second);
  const { bytes } = shown;
  memory.takeBack(shown, "");
  assert.equal(bytes.length, 0);
  const third = memory.take(LEAST) as Buffer;
  assert.notEqual(third.buffer, first.buffer);
  assert.equal(third[0], 7);
});

test("what is taken back twice is given once", () => {
  const memory = new BodyMemory();
  const message = lent(memory, LEAST);
  memory.takeBack(message, "");
  memory.takeBack(message, "");
  assert.notEqual((memory.take(LEAST) as Buffer).buffer, (memory.take(LEAST) as Buffer).buffer);
});

test("there is none for small messages nor for enormous ones, and sizes are powers of two", () => {
  const memory = new BodyMemory();
  assert.equal(memory.take(LEAST - 1), undefined);
  assert.equal(memory.take(8_388_609), undefined);
  assert.equal(memory.take(LEAST + 1)?.length, 2 * LEAST);
  assert.equal(memory.take(8_388_608)?.length, 8_388_608);
});

test("at most 8 MiB are kept", () => {
  const memory = new BodyMemory();
  const messages = Array.from({ length: 12 }, () => lent(memory, 1_048_576));
  const buffers = new Set(messages.map((message) => message.bytes.buffer));
  assert.equal(buffers.size, 12);
  for (let index = 0; index < 12; index++) memory.give(Buffer.alloc(1_048_576, 9));
  const again = Array.from({ length: 12 }, () => memory.take(1_048_576) as Buffer);
  assert.equal(again.filter((buffer) => buffer.every((byte) => byte === 9)).length, 8);
});
