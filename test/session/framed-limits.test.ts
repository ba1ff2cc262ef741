import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_IN_FLIGHT } from "../../src/session/request-queue.js";
import { pattern } from "../support/bytes.js";
import { makeFramed, Pair } from "./pair.js";
import { DEADLINE, describe, END, frame, framesOf, goAway, greeting, open, openInPieces, SIZE, TYPE } from "./raw.js";

const connect = (options?: ConstructorParameters<typeof Pair>[1]) => new Pair(makeFramed, options).settle();
const texts = (pair: Pair) => pair.server.host.exchanges.map(({ message }) => message?.text());

/** A server and what a raw client sends to it. */
function serverWith(limits: Parameters<typeof makeFramed>[2], ...bytes: readonly Buffer[]): Pair {
  const pair = new Pair(makeFramed, { server: limits ?? {} });
  pair.server.receive(greeting(), ...bytes);
  pair.server.flush();
  return pair;
}

test("32 messages may leave before the server has said how many it takes", () => {
  const pair = new Pair(makeFramed, { server: { limits: { maxInFlight: 100 } } });
  for (let index = 0; index < 40; index++) pair.client.send(`${index}`);
  pair.client.flush();
  assert.equal(FIRST_IN_FLIGHT, 32);
  assert.equal(describe(pair.client.host.written).length, 1 + 32);
  pair.settle();
  assert.equal(pair.server.host.exchanges.length, 40);
});

test("the handler has maxInFlight messages at most; the next comes when one is answered", () => {
  const pair = connect({ server: { limits: { maxInFlight: 3 } } });
  for (let index = 0; index < 5; index++) pair.client.send(`${index}`);
  pair.settle();
  assert.deepEqual(texts(pair), ["0", "1", "2"]);
  pair.server.session.reply(pair.server.host.exchanges[1]!, "");
  pair.settle();
  assert.deepEqual(texts(pair), ["0", "1", "2", "3"]);
});

test("a client holds back what the server would not take yet", () => {
  const pair = connect({ server: { limits: { maxInFlight: 3 } } });
  for (let index = 0; index < 5; index++) pair.client.send(`${index}`);
  pair.client.flush();
  assert.equal(describe(pair.client.host.written).length, 3);
});

test("who does not hold back is not read any more after 64 messages too many", () => {
  const burst = (count: number) => Array.from({ length: count }, (_, index) => open(2 * index + 1));
  const atLimit = serverWith({ limits: { maxInFlight: 2 } }, ...burst(2 + 63));
  assert.equal(atLimit.server.session.isCongested, false);
  const over = serverWith({ limits: { maxInFlight: 2 } }, ...burst(2 + 64));
  assert.equal(over.server.session.isCongested, true);
  assert.equal(over.server.host.exchanges.length, 2);
  over.server.session.reply(over.server.host.exchanges[0]!, "");
  over.server.flush();
  assert.equal(over.server.session.isCongested, false);
});

test("who opens message after message and ends none is cut", () => {
  const begin = (index: number) => frame(TYPE.OPEN, 0, 2 * index + 1, "x");
  const atLimit = Array.from({ length: 2 + 64 }, (_, index) => begin(index));
  const pair = serverWith({ limits: { maxInFlight: 2 } }, ...atLimit);
  assert.equal(pair.server.host.isAborted, false);
  pair.server.receive(begin(2 + 64));
  assert.equal(pair.server.host.error?.code, "PROTOCOL_VIOLATION");
});

for (const [how, bytes] of [
  ["in one frame", (size: number) => open(1, pattern(size))],
  ["in pieces of a declared size", (size: number) => openInPieces(1, [500, size - 500], size)],
  ["in pieces of no declared size", (size: number) => openInPieces(1, [500, size - 500])],
  ["in many small pieces", (size: number) => openInPieces(1, [...Array(size).fill(1)])],
] as const) {
  test(`a message ${how} is taken at maxMessageBytes and refused one byte over`, () => {
    const atLimit = serverWith({ limits: { maxMessageBytes: 1_000 } }, bytes(1_000), open(3));
    assert.deepEqual(atLimit.server.host.events.slice(1), ["exchange 1 of 1000", 'exchange 3 "hello"']);
    const over = serverWith({ limits: { maxMessageBytes: 1_000 } }, bytes(1_001), open(3));
    assert.deepEqual(over.server.host.events.slice(1), ['exchange 3 "hello"']);
    assert.deepEqual(describe(over.server.host.written), ["HELLO", "RESET 1 TOO_LARGE"]);
    assert.equal(over.server.session.heldBytes, 5);
  });
}

test("a declared size over the limit is refused before a byte of the message has come", () => {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(2n ** 52n);
  const whole = frame(TYPE.OPEN, SIZE, 1, Buffer.concat([size, pattern(1_000)]));
  const pair = serverWith({}, whole.subarray(0, 16 + 8));
  assert.deepEqual(describe(pair.server.host.written), ["HELLO", "RESET 1 TOO_LARGE"]);
  pair.server.receive(whole.subarray(16 + 8), frame(TYPE.DATA, END, 1, "the rest is on its way still"), open(3));
  assert.deepEqual(pair.server.host.events.slice(1), ['exchange 3 "hello"']);
});

test("a declared size costs no memory before its bytes come", () => {
  const before = process.memoryUsage().arrayBuffers;
  const pair = serverWith({ limits: { maxMessageBytes: 2 ** 40, maxInFlight: 100 } });
  for (let index = 0; index < 50; index++) {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(2n ** 39n);
    pair.server.receive(frame(TYPE.OPEN, SIZE, 2 * index + 1, Buffer.concat([size, Buffer.from("x")])));
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 60 * 1_048_576, `50 messages of 1 byte each took ${grown} bytes`);
  assert.equal(pair.server.session.heldBytes, 50);
});

test("a client does not send what the server has said it would refuse", () => {
  const pair = connect({ server: { limits: { maxMessageBytes: 1_000 } } });
  assert.equal(pair.client.send("é".repeat(500)).outcome, "");
  const request = pair.client.send("é".repeat(501));
  assert.equal(request.outcome, "MESSAGE_TOO_LARGE unsent");
  assert.match(request.fact, /1002 bytes.*1000/);
  pair.client.flush();
  assert.equal(framesOf(pair.client.host.written).length, 1);
});

test("sent before the server said so, it is refused there, surely unsent", () => {
  const pair = new Pair(makeFramed, { server: { limits: { maxMessageBytes: 1_000 } } });
  const large = pair.client.send(pattern(1_001));
  const small = pair.client.send(pattern(1_000));
  pair.settle();
  assert.equal(large.outcome, "MESSAGE_TOO_LARGE unsent");
  assert.equal(small.outcome, "");
  assert.equal(pair.server.host.exchanges.length, 1);
});

test("a reply that the client would not take is not sent, and the message may have been handled", () => {
  const pair = connect({ client: { limits: { maxMessageBytes: 1_000 } } });
  const request = pair.client.send();
  pair.settle();
  pair.server.session.reply(pair.server.host.exchanges[0]!, pattern(1_001));
  pair.server.flush();
  assert.deepEqual(describe(pair.server.host.written), ["RESET 1 TOO_LARGE"]);
  pair.settle();
  assert.equal(request.outcome, "MESSAGE_TOO_LARGE unknown");
  assert.equal(pair.server.session.heldBytes, 0);
});

test("a reply over the limit is refused when its size is declared, and the server told", () => {
  const pair = new Pair(makeFramed, { client: { limits: { maxMessageBytes: 1_000 } } });
  const request = pair.client.send();
  const other = pair.client.send("other");
  pair.client.flush();
  pair.client.host.takeWrites();
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(1_001n);
  const reply = frame(TYPE.DATA, SIZE, 1, size);
  pair.client.receive(greeting(), reply, frame(TYPE.DATA, END, 1, "rest"), frame(TYPE.DATA, END, 3, "reply"));
  pair.client.flush();
  assert.equal(request.outcome, "MESSAGE_TOO_LARGE unknown");
  assert.equal(other.outcome, "reply reply");
  assert.deepEqual(describe(pair.client.host.written), ["RESET 1 CANCELLED"]);
});

test("fields cut anywhere read the same", () => {
  const fields = Buffer.alloc(12);
  fields.writeUInt32LE(5_000);
  fields.writeBigUInt64LE(5n, 4);
  const whole = frame(TYPE.OPEN, END | DEADLINE | SIZE, 1, Buffer.concat([fields, Buffer.from("hello")]));
  for (let cut = 0; cut <= whole.length; cut++) {
    const pair = serverWith({}, whole.subarray(0, cut), whole.subarray(cut));
    assert.deepEqual(pair.server.host.events.slice(1), ['exchange 1 "hello"'], `cut at ${cut}`);
    assert.equal(pair.server.host.exchanges[0]?.deadlineAt, pair.clock.now() + 5_000);
  }
});

test("more waiting messages than any queue: none is lost when the server goes away", () => {
  for (const end of ["lost", "go away"]) {
    const pair = connect();
    const requests = Array.from({ length: 1_000 }, (_, index) => pair.client.send(`${index}`));
    pair.client.flush();
    if (end === "lost") pair.client.lose();
    else pair.client.receive(goAway(3, 0, "closing"));
    const outcomes = requests.map(({ outcome }) => outcome);
    const isSent = (index: number) => index < (end === "lost" ? 4 : 2);
    const ended = end === "lost" ? "CONNECTION_LOST" : "CONNECTION_CLOSED";
    const sent = end === "lost" ? "CONNECTION_LOST unknown" : "";
    assert.deepEqual(
      outcomes,
      outcomes.map((_, index) => (isSent(index) ? sent : `${ended} unsent`)),
    );
  }
});
