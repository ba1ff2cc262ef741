import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import { connect, Gate, rejection, serve } from "./support.js";

const MEBIBYTE = 1_048_576;
const SIZES = [100, 16_385, 131_071, 131_072, 131_073, MEBIBYTE, MEBIBYTE + 1, 3_000_000, 9_000_000];

/** A server that borrows, and what its handler got. */
async function borrow(t: Parameters<typeof serve>[0], handle: (message: Message) => string | Uint8Array) {
  const messages: Message[] = [];
  const server = await serve(t, (message) => handle(messages[messages.push(message) - 1] as Message), {
    body: "borrowed",
  });
  return { messages, client: await connect(t, server) };
}

test("borrowed: messages of all sizes are whole while their handlers run, one after the other and together", async (t) => {
  const server = await serve(
    t,
    async (message) => {
      const before = message.copy();
      await new Promise((resolve) => setTimeout(resolve, 5));
      return Buffer.from(message.bytes).equals(before) ? message.copy() : "changed";
    },
    { body: "borrowed" },
  );
  const client = await connect(t, server);
  for (let round = 0; round < 3; round++) {
    const sent = SIZES.map((size) => pattern(size + round));
    const replies = await Promise.all(sent.map((bytes) => client.send(bytes)));
    for (const [index, bytes] of sent.entries()) assert.ok(Buffer.from(replies[index]?.bytes ?? []).equals(bytes));
  }
});

test("borrowed: a view that outlives its handler is empty, reading throws, and the memory serves the next message", async (t) => {
  const views: Uint8Array[] = [];
  const { messages, client } = await borrow(t, (message) => {
    views.push(message.bytes);
    return "";
  });
  for (let index = 0; index < 3; index++) await client.send(Buffer.alloc(MEBIBYTE, index));
  for (const [index, message] of messages.entries()) {
    assert.equal(views[index]?.length, 0);
    assert.equal(message.byteLength, MEBIBYTE);
    for (const read of [() => message.bytes, () => message.text(), () => message.json(), () => message.copy()]) {
      assert.throws(read, { name: "EarshotError", code: "INVALID_ARGUMENT" });
    }
  }
});

test("borrowed: what was never shown cannot be shown later, and a copy stays", async (t) => {
  const copies: Uint8Array[] = [];
  const { messages, client } = await borrow(t, (message) => {
    copies.push(message.copy());
    return message.text().slice(0, 1);
  });
  for (const letter of ["a", "b"]) assert.equal((await client.send(letter.repeat(MEBIBYTE))).text(), letter);
  assert.equal(Buffer.from(copies[0] ?? []).toString(), "a".repeat(MEBIBYTE));
  assert.throws(() => messages[0]?.bytes, { code: "INVALID_ARGUMENT" });
});

test("borrowed: memory is used again only when the handler has settled, and then it is", async (t) => {
  const gate = new Gate();
  const buffers: ArrayBufferLike[] = [];
  const server = await serve(
    t,
    async (message) => {
      const { bytes } = message;
      buffers.push(bytes.buffer);
      if (buffers.length === 1) await gate.opened;
      return `${bytes[0]} ${bytes.at(-1)}`;
    },
    { body: "borrowed" },
  );
  const client = await connect(t, server);
  const first = client.send(Buffer.alloc(MEBIBYTE, 1));
  for (let index = 2; index < 20; index++) {
    assert.equal((await client.send(Buffer.alloc(MEBIBYTE, index))).text(), `${index} ${index}`);
  }
  gate.open();
  assert.equal((await first).text(), "1 1");
});

test("borrowed: a handler that fails, or gave the memory away, leaves the next message whole", async (t) => {
  const { messages, client } = await borrow(t, (message) => {
    if (message.bytes[0] === 1) throw new Error("no");
    const { bytes } = message;
    const isGivenAway = bytes[0] === 2;
    if (isGivenAway) structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    return isGivenAway ? "given away" : `${bytes.at(-1)}`;
  });
  assert.equal((await rejection(client.send(Buffer.alloc(MEBIBYTE, 1)))).code, "HANDLER_FAILED");
  assert.throws(() => messages[0]?.bytes, { code: "INVALID_ARGUMENT" });
  assert.equal((await client.send(Buffer.alloc(MEBIBYTE, 2))).text(), "given away");
  assert.equal((await client.send(Buffer.alloc(MEBIBYTE, 3))).text(), "3");
});

test("borrowed: a reply may be part of the message, and stays whole while it leaves", async (t) => {
  const { client } = await borrow(t, (message) => message.bytes.subarray(10));
  const sent = Array.from({ length: 6 }, (_, index) => pattern(2_000_000 + index));
  const replies = await Promise.all(sent.map((bytes) => client.send(bytes)));
  for (const [index, bytes] of sent.entries()) {
    assert.ok(Buffer.from(replies[index]?.bytes ?? []).equals(bytes.subarray(10)));
  }
});

test("by default a message is the handler's for ever", async (t) => {
  const messages: Message[] = [];
  const server = await serve(t, (message) => String(messages.push(message)));
  const client = await connect(t, server);
  for (const letter of ["a", "b", "c"]) await client.send(letter.repeat(MEBIBYTE));
  assert.deepEqual(
    messages.map((message) => [message.text(), Buffer.from(message.bytes).toString()].map((text) => text[0])),
    [
      ["a", "a"],
      ["b", "b"],
      ["c", "c"],
    ],
  );
});
