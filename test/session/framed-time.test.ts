import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { makeFramed, Pair } from "./pair.js";
import { describe, frame, goAway, greeting, open, TYPE } from "./raw.js";

const connect = (options?: ConstructorParameters<typeof Pair>[1]) => new Pair(makeFramed, options).settle();

function tickServer(pair: Pair, ms: number): string | undefined {
  pair.clock.advance(ms);
  pair.server.tick();
  return pair.server.host.error?.code;
}

test("a deadline passes on both sides, each by its own clock", () => {
  const pair = connect();
  const request = pair.client.send("hello", pair.clock.now() + 80);
  pair.settle();
  pair.clock.advance(79);
  pair.server.tick();
  assert.deepEqual(pair.server.host.events.slice(1), ['exchange 1 "hello"']);
  pair.clock.advance(9);
  pair.server.tick();
  assert.equal(pair.server.host.events.at(-1), "caller of 1 gone: TIMEOUT");
  assert.equal(pair.server.session.heldBytes, 0);
  pair.client.tick();
  assert.equal(request.outcome, "TIMEOUT unknown");
  pair.settle();
  assert.equal(pair.server.host.isAborted, false);
});

test("a deadline that passes while the message waits keeps it from the handler", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1 } } });
  pair.server.receive(open(1, "first"));
  pair.server.receive(frame(TYPE.OPEN, 3, 3, Buffer.from("\x10\0\0\0late")));
  pair.clock.advance(24);
  pair.server.tick();
  pair.server.session.reply(pair.server.host.exchanges[0]!, "");
  assert.equal(pair.server.host.exchanges.length, 1);
  assert.equal(pair.server.session.isIdle, false);
  pair.server.flush();
  assert.equal(pair.server.session.isIdle, true);
});

test("a deadline counts from the first frame on, and ends a message that is not whole yet", () => {
  const pair = connect();
  pair.server.receive(frame(TYPE.OPEN, 2, 1, Buffer.from("\x10\0\0\0half")));
  assert.equal(pair.server.session.isWaitingForPeer, true);
  pair.clock.advance(24);
  pair.server.tick();
  assert.equal(pair.server.session.isWaitingForPeer, false);
  assert.equal(pair.server.session.heldBytes, 0);
  pair.server.receive(frame(TYPE.DATA, 1, 1, "and half"));
  assert.equal(pair.server.host.exchanges.length, 0);
  assert.equal(pair.server.host.isAborted, false);
});

for (const code of ["TIMEOUT", "CANCELLED"] as const) {
  test(`the other side is told ${code}`, () => {
    const pair = connect();
    const request = pair.client.send();
    pair.settle();
    pair.client.session.cancel(request, code);
    pair.settle();
    assert.equal(pair.server.host.events.at(-1), `caller of 1 gone: ${code}`);
  });
}

test("a deadline frees a request that never left", () => {
  const pair = connect();
  pair.client.host.isWritable = false;
  pair.client.send(pattern(1_000_000));
  pair.client.flush();
  const waiting = pair.client.send("behind it", pair.clock.now() + 80);
  pair.client.flush();
  pair.clock.advance(88);
  pair.client.tick();
  assert.equal(waiting.outcome, "TIMEOUT unsent");
});

test("an answer in time makes the deadline forgotten", () => {
  const pair = connect();
  const request = pair.client.send("hello", pair.clock.now() + 80);
  pair.settle();
  pair.server.session.reply(pair.server.host.exchanges[0]!, "in time");
  pair.settle();
  assert.equal(pair.client.session.nextDeadline, Infinity);
  assert.equal(pair.server.session.nextDeadline, Infinity);
  pair.advance(1_000);
  assert.equal(request.outcome, "reply in time");
});

test("a greeting that is half there at handshakeTimeoutMs is not enough", () => {
  const pair = new Pair(makeFramed);
  pair.server.receive(greeting().subarray(0, 20));
  assert.equal(tickServer(pair, 999), undefined);
  assert.equal(tickServer(pair, 1), "TIMEOUT");
  assert.match(pair.server.host.error?.message ?? "", /handshake for 1000 ms/);
  assert.deepEqual(describe(pair.server.host.written), ["HELLO", "GOAWAY 0 TIMEOUT"]);
});

test("a greeting ends the handshake's time, and an idle connection may stay for ever", () => {
  const pair = connect();
  assert.equal(pair.server.session.nextDeadline, Infinity);
  assert.equal(tickServer(pair, 1e9), undefined);
});

test("a handshake that has a limit of 0 has none", () => {
  const pair = new Pair(makeFramed, { server: { limits: { handshakeTimeoutMs: 0 } } });
  assert.equal(pair.server.session.nextDeadline, Infinity);
});

test("a frame that does not go on is cut at messageTimeoutMs and not before, whatever its type", () => {
  for (const [type, cut] of [
    [TYPE.OPEN, 3],
    [TYPE.OPEN, 16],
    [TYPE.PING, 20],
    [0x80, 20],
  ] as const) {
    const pair = connect();
    pair.server.receive(frame(type, 0, 1, "12345678").subarray(0, cut));
    assert.equal(pair.server.session.nextDeadline, pair.clock.now() + 2_000);
    assert.equal(tickServer(pair, 1_999), undefined);
    assert.equal(tickServer(pair, 1), "TIMEOUT");
  }
});

test("a message between two of its frames is cut at messageTimeoutMs and not before", () => {
  const pair = connect();
  pair.server.receive(frame(TYPE.OPEN, 0, 1, "and then"));
  assert.equal(tickServer(pair, 1_999), undefined);
  assert.equal(tickServer(pair, 1), "TIMEOUT");
  assert.match(pair.server.host.error?.message ?? "", /fewer than 65536 bytes in 2000 ms/);
});

test("one message that stands still is cut although others go on", () => {
  const pair = connect();
  pair.server.receive(frame(TYPE.OPEN, 0, 1, "stands still"));
  for (let index = 1; index < 20; index++) {
    assert.equal(tickServer(pair, 100), undefined);
    pair.server.receive(open(2 * index + 1));
  }
  assert.equal(tickServer(pair, 100), "TIMEOUT");
});

test("65,535 bytes in a window are too few, 65,536 are enough", () => {
  for (const [bytes, expected] of [
    [65_535, "TIMEOUT"],
    [65_536, undefined],
  ] as const) {
    const pair = connect();
    pair.server.receive(frame(TYPE.OPEN, 0, 1, pattern(bytes)));
    assert.equal(tickServer(pair, 2_000), expected);
  }
});

test("an idle connection is closed at idleTimeoutMs and not before, with a GOAWAY", () => {
  const pair = connect({ server: { limits: { idleTimeoutMs: 5_000 } } });
  assert.equal(pair.server.session.nextDeadline, pair.clock.now() + 5_000);
  pair.advance(4_999);
  assert.equal(pair.server.host.isEnded, false);
  pair.advance(1);
  assert.equal(pair.server.host.isEnded, true);
  assert.deepEqual(pair.client.host.events.slice(1, 3), ["closing CONNECTION_CLOSED", "end"]);
});

test("a connection with a message under way is not idle, and one that speaks begins anew", () => {
  const pair = connect({ server: { limits: { idleTimeoutMs: 5_000 } } });
  pair.client.send();
  pair.settle();
  pair.advance(100_000);
  assert.equal(pair.server.host.isEnded, false);
  pair.server.session.reply(pair.server.host.exchanges[0]!, "");
  pair.settle();
  pair.server.receive(frame(TYPE.PING, 0, 0, "12345678"));
  pair.settle();
  pair.advance(4_999);
  assert.equal(pair.server.host.isEnded, false);
  pair.advance(1);
  assert.equal(pair.server.host.isEnded, true);
});

test("output that begins to move in time is not cut", () => {
  const pair = connect();
  pair.client.send();
  pair.settle();
  pair.server.host.isWritable = false;
  pair.server.session.reply(pair.server.host.exchanges[0]!, pattern(3_000_000));
  pair.server.flush();
  for (let index = 0; index < 5; index++) {
    assert.equal(tickServer(pair, 1_999), undefined);
    pair.server.host.drain();
    pair.server.session.drained();
  }
  assert.equal(tickServer(pair, 2_000), "TIMEOUT");
});

test("more that wants to leave does not give the other side more time to read", () => {
  const pair = connect();
  pair.server.host.isWritable = false;
  pair.server.receive(frame(TYPE.PING, 0, 0, "12345678"));
  pair.server.flush();
  pair.clock.advance(1_000);
  pair.server.receive(frame(TYPE.PING, 0, 0, "87654321"));
  pair.server.flush();
  assert.equal(tickServer(pair, 999), undefined);
  assert.equal(tickServer(pair, 1), "TIMEOUT");
});

test("a connection that the client has been told to leave ends when the last answer is there", () => {
  const pair = connect();
  pair.client.receive(goAway(0, 0, "closing"));
  pair.client.flush();
  assert.deepEqual(pair.client.host.events.slice(1), ["closing CONNECTION_CLOSED", "end"]);
});
