import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, outcome, rejection, serve, WIRES } from "../peer/support.js";
import { pattern } from "../support/bytes.js";
import { MemoryLogger } from "../support/logger.js";
import { DEADLINE, END, frame, openInPieces, Raw, SIZE, TYPE } from "../support/raw.js";

/** One that fits one frame, one that fits a read, one that needs many frames. */
const LIMITS = [100, 9_000, 1_000_000];

for (const maxMessageBytes of LIMITS) {
  for (const wire of WIRES) {
    test(`${wire}: a message of ${maxMessageBytes} bytes is taken, and a reply as large`, async (t) => {
      const server = await serve(t, (message) => message.bytes, { maxMessageBytes });
      const client = await connect(t, server, { wire, maxMessageBytes });
      const bytes = pattern(maxMessageBytes);
      for (let round = 0; round < 2; round++) assert.ok(bytes.equals((await client.send(bytes)).bytes));
    });

    test(`${wire}: a reply of one byte more than ${maxMessageBytes} is MESSAGE_TOO_LARGE, and its message was handled`, async (t) => {
      let handled = 0;
      const server = await serve(t, (message) => {
        handled++;
        return pattern(maxMessageBytes + Number(message.text()));
      });
      const client = await connect(t, server, { wire, maxMessageBytes });
      assert.equal(await outcome(client.send("1")), "MESSAGE_TOO_LARGE unknown");
      assert.equal((await client.send("0")).byteLength, maxMessageBytes);
      assert.equal(handled, 2);
    });
  }

  test(`one byte more than ${maxMessageBytes} is MESSAGE_TOO_LARGE and unsent, the first time and when the limit is known`, async (t) => {
    let handled = 0;
    const server = await serve(t, () => String(++handled), { maxMessageBytes });
    const client = await connect(t, server);
    const first = await rejection(client.send(pattern(maxMessageBytes + 1)));
    assert.deepEqual([first.code, first.delivery], ["MESSAGE_TOO_LARGE", "unsent"]);
    assert.ok(first.message.includes(String(maxMessageBytes)), first.message);
    const second = await rejection(client.send(pattern(maxMessageBytes + 1)));
    assert.deepEqual([second.code, second.delivery], ["MESSAGE_TOO_LARGE", "unsent"]);
    assert.match(
      second.message,
      new RegExp(`has ${maxMessageBytes + 1} bytes, the other side takes ${maxMessageBytes} `),
    );
    assert.equal(await outcome(client.send("small")), "reply 1");
  });

  test(`on the plain wire one byte more than ${maxMessageBytes} never reaches the handler, and the caller is cut`, async (t) => {
    const logger = new MemoryLogger();
    const server = await serve(t, () => assert.fail("too large"), { maxMessageBytes, logger });
    const raw = await Raw.connect(t, server.address);
    raw.write(pattern(maxMessageBytes + 1)).socket.end();
    await raw.closed;
    assert.equal(raw.received.length, 0);
    assert.deepEqual(
      logger.at().map(({ level, error }) => [level, error?.code]),
      [["warn", "MESSAGE_TOO_LARGE"]],
    );
  });
}

test("text counts in bytes, not in characters", async (t) => {
  let handled = 0;
  const server = await serve(t, () => String(++handled), { maxMessageBytes: 100 });
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("é".repeat(50))), "reply 1");
  assert.match(await outcome(client.send("é".repeat(51))), /^MESSAGE_TOO_LARGE/);
  assert.match(await outcome((await connect(t, server)).send("é".repeat(51))), /^MESSAGE_TOO_LARGE/);
  assert.equal(handled, 1);
});

test("a reply that is larger than the caller takes is known to the server beforehand", async (t) => {
  const server = await serve(t, () => pattern(1_001));
  const client = await connect(t, server, { maxMessageBytes: 1_000 });
  const error = await rejection(client.send("a"));
  assert.deepEqual([error.code, error.delivery], ["MESSAGE_TOO_LARGE", "unknown"]);
  assert.match(error.message, /the reply has 1001 bytes, the other side takes 1000 /);
});

test("a declared size is refused before its bytes: 1 byte over, 4 GiB, 2^53 and more", async (t) => {
  const server = await serve(t, () => assert.fail("too large"), { maxMessageBytes: 1_000 });
  const raw = await Raw.greeted(t, server.address);
  const sizes = [1_001n, 2n ** 32n, 2n ** 53n, 2n ** 64n - 1n];
  for (const [index, declared] of sizes.entries()) {
    const fields = Buffer.alloc(8);
    fields.writeBigUInt64LE(declared);
    raw.write(frame(TYPE.OPEN, SIZE, index * 2 + 1, Buffer.concat([fields, Buffer.from("x")])));
  }
  await raw.hears((lines) => lines.filter((line) => line.endsWith("TOO_LARGE")).length === sizes.length);
  assert.deepEqual(
    raw.frames,
    sizes.map((_, index) => `RESET ${index * 2 + 1} TOO_LARGE`),
  );
});

test("a message without a declared size is refused with the byte that is too much", async (t) => {
  const server = await serve(t, (message) => String(message.byteLength), { maxMessageBytes: 1_000 });
  const raw = await Raw.greeted(t, server.address);
  raw.write(openInPieces(1, [400, 400, 200]), openInPieces(3, [400, 400, 201]), openInPieces(5, [1_000, 0]));
  await raw.hears((lines) => lines.includes('DATA+END 5 "1000"'));
  assert.deepEqual(raw.frames.sort(), ['DATA+END 1 "1000"', 'DATA+END 5 "1000"', "RESET 3 TOO_LARGE"]);
});

test("a frame shorter than the fields that it announces is a violation", async (t) => {
  const server = await serve(t, () => "ok");
  const raw = await Raw.greeted(t, server.address);
  raw.write(frame(TYPE.OPEN, END | DEADLINE | SIZE, 1, Buffer.alloc(11)));
  await raw.ended;
  assert.deepEqual(raw.frames, ["GOAWAY 1 VIOLATION"]);
});
