import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { makeFramed, Pair } from "./pair.js";
import { describe, END, frame, goAway, greeting, open, reset, TYPE } from "./raw.js";

const connect = (options?: ConstructorParameters<typeof Pair>[1]) => new Pair(makeFramed, options).settle();
const answer = (pair: Pair, index: number, body: string | Uint8Array = "") =>
  pair.server.session.reply(pair.server.host.exchanges[index]!, body);

test("a request that is cancelled before it leaves is unsent, and nothing goes out", () => {
  const pair = connect();
  const request = pair.client.send();
  pair.client.session.cancel(request, "CANCELLED");
  pair.client.flush();
  assert.equal(request.outcome, "CANCELLED unsent");
  assert.equal(pair.client.host.writes.length, 0);
  assert.equal(pair.client.session.isIdle, true);
});

test("a request that is cancelled while the transport is full is unsent, and nothing goes out", () => {
  for (const size of [5, 50_000, 500_000]) {
    const pair = connect();
    pair.client.host.isWritable = false;
    pair.client.send("first");
    pair.client.flush();
    const request = pair.client.send(pattern(size));
    pair.client.flush();
    pair.client.session.cancel(request, "TIMEOUT");
    pair.client.drain();
    pair.client.flush();
    assert.equal(request.outcome, "TIMEOUT unsent");
    assert.deepEqual(describe(pair.client.host.written), ['OPEN+END 1 "first"']);
  }
});

test("of several large messages, one that has not begun is unsent when it is cancelled", () => {
  const pair = connect();
  pair.client.host.isWritable = false;
  const requests = [1, 2, 3, 4].map((seed) => pair.client.send(pattern(500_000, seed)));
  pair.client.flush();
  pair.client.session.cancel(requests[3]!, "CANCELLED");
  pair.client.session.cancel(requests[0]!, "CANCELLED");
  pair.client.drain();
  pair.settle();
  assert.equal(requests[3]?.outcome, "CANCELLED unsent");
  assert.equal(requests[0]?.outcome, "CANCELLED unknown");
  const received = pair.server.host.exchanges.map(({ id, message }) => [id, message?.byteLength]);
  assert.deepEqual(received, [
    [3, 500_000],
    [5, 500_000],
  ]);
  assert.equal(pair.server.session.isWaitingForPeer, false);
  assert.equal(pair.server.session.heldBytes, 1_000_000);
});

test("a request that is cancelled in the middle stops there, and the other side is told", () => {
  const pair = connect();
  pair.client.host.isWritable = false;
  const request = pair.client.send(pattern(3_000_000));
  pair.client.flush();
  pair.client.session.cancel(request, "CANCELLED");
  pair.client.drain();
  pair.client.flush();
  assert.match(describe(pair.client.host.written).at(-1) ?? "", /^RESET 1 CANCELLED$/);
  pair.settle();
  assert.equal(request.outcome, "CANCELLED unknown");
  assert.equal(pair.server.host.exchanges.length, 0);
  assert.equal(pair.server.session.heldBytes, 0);
  assert.equal(pair.server.session.isIdle, true);
});

test("a late answer meets no other call", () => {
  const pair = connect();
  const first = pair.client.send("first");
  pair.client.flush();
  pair.client.session.cancel(first, "CANCELLED");
  const second = pair.client.send("second");
  pair.client.flush();
  pair.client.receive(frame(TYPE.DATA, END, 1, "to the first"), reset(1, 3, "too late as well"));
  assert.equal(first.outcome, "CANCELLED unknown");
  assert.equal(second.outcome, "");
  pair.client.receive(frame(TYPE.DATA, END, 3, "to the second"));
  assert.equal(second.outcome, "reply to the second");
});

test("a request that is cancelled in the middle of its reply is settled once", () => {
  for (const reply of ["small", pattern(50_000), pattern(300_000)]) {
    const pair = connect();
    const request = pair.client.send("first");
    const other = pair.client.send("second");
    pair.settle();
    answer(pair, 0, reply);
    answer(pair, 1, "done");
    pair.server.flush();
    pair.deliverPart(pair.server, pair.client, 18);
    pair.client.session.cancel(request, "CANCELLED");
    pair.settle();
    assert.equal(request.outcome, "CANCELLED unknown");
    assert.equal(other.outcome, "reply done");
  }
});

test("a caller that gives up frees its message at once and its place when the handler is done", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1 } } });
  const first = pair.client.send("first");
  pair.settle();
  pair.client.session.cancel(first, "CANCELLED");
  pair.client.send("second");
  pair.settle();
  assert.deepEqual(pair.server.host.events.slice(1), ['exchange 1 "first"', "caller of 1 gone: CANCELLED"]);
  answer(pair, 0, "nobody reads this");
  pair.settle();
  assert.equal(pair.server.host.events.at(-1), 'exchange 3 "second"');
  assert.equal(pair.server.session.heldBytes, 6);
});

test("a message that is cancelled while it waits never reaches the handler", () => {
  const pair = new Pair(makeFramed, { server: { limits: { maxInFlight: 1 } } });
  const requests = ["one", "two", "three"].map((body) => pair.client.send(body));
  pair.settle();
  pair.client.session.cancel(requests[1]!, "CANCELLED");
  pair.settle();
  answer(pair, 0);
  pair.settle();
  assert.deepEqual(
    pair.server.host.exchanges.map(({ message }) => message?.text()),
    ["one", "three"],
  );
});

test("what failed is told with code, remote code and text", () => {
  const pair = connect();
  const request = pair.client.send();
  pair.settle();
  pair.server.session.fail(pair.server.host.exchanges[0]!, "HANDLER_FAILED", "no such user: ü", "ENOENT");
  pair.settle();
  assert.equal(request.outcome, "HANDLER_FAILED unknown");
  assert.equal(request.fact, "no such user: ü");
  assert.deepEqual(request.details, { remoteCode: "ENOENT" });
  assert.equal(pair.server.session.heldBytes, 0);
});

test("30,000 messages that fail at once behind a slow one overflow no stack", () => {
  const pair = new Pair(makeFramed, { server: { limits: { maxInFlight: 1 } } });
  pair.server.receive(greeting());
  const burst = Array.from({ length: 30_000 }, (_, index) => open(2 * index + 1, ""));
  pair.server.receive(Buffer.concat(burst));
  pair.server.host.onMessage = (exchange) => pair.server.session.fail(exchange, "HANDLER_FAILED", "");
  answer(pair, 0);
  pair.server.flush();
  assert.equal(pair.server.host.exchanges.length, 30_000);
  assert.equal(pair.server.session.heldBytes, 0);
});

test("GOAWAY: what the server has not seen is unsent, what it has goes on", () => {
  const pair = connect();
  const requests = ["one", "two", "three", "waits", "waits"].map((body) => pair.client.send(body));
  pair.client.flush();
  pair.client.receive(goAway(3, 0, "restarting"));
  assert.deepEqual(
    requests.map(({ outcome }) => outcome),
    ["", "", ...Array(3).fill("CONNECTION_CLOSED unsent")],
  );
  assert.equal(requests[2]?.fact, "restarting");
  pair.client.receive(frame(TYPE.DATA, END, 1, "done"), frame(TYPE.DATA, END, 3, "done"));
  assert.deepEqual(pair.client.host.events.slice(1), ["closing CONNECTION_CLOSED", "end"]);
});

test("messages and cancellations that cross a GOAWAY do no harm", () => {
  for (const body of ["small", pattern(500_000)]) {
    const pair = connect();
    const first = pair.client.send("first");
    pair.settle();
    pair.server.session.close("CONNECTION_CLOSED", "restarting");
    const crossing = pair.client.send(body);
    const cancelled = pair.client.send(body);
    pair.client.flush();
    pair.client.session.cancel(cancelled, "CANCELLED");
    pair.settle();
    assert.equal(pair.server.host.isAborted, false);
    assert.equal(crossing.outcome, "CONNECTION_CLOSED unsent");
    answer(pair, 0, "done");
    pair.settle();
    assert.equal(first.outcome, "reply done");
    assert.equal(pair.server.host.exchanges.length, 1);
  }
});

test("close flushes what was sent before it", () => {
  const pair = connect();
  const requests = Array.from({ length: 100 }, (_, index) => pair.client.send(`${index}`));
  pair.client.session.close("CONNECTION_CLOSED", "");
  pair.server.host.onMessage = (exchange) => pair.server.session.reply(exchange, "done");
  pair.settle();
  for (const { outcome } of requests) assert.equal(outcome, "reply done");
  assert.equal(pair.client.host.isEnded, true);
});

test("close waits until the last byte has left", () => {
  const pair = connect();
  pair.client.send();
  pair.settle();
  pair.server.host.isWritable = false;
  pair.server.session.close("CONNECTION_CLOSED", "");
  answer(pair, 0, pattern(1_000_000));
  pair.settle();
  assert.equal(pair.server.host.isEnded, false);
  pair.server.drain();
  assert.equal(pair.server.host.isEnded, true);
});

test("close waits until its own last word has left", () => {
  const pair = connect();
  pair.server.host.isWritable = false;
  pair.server.session.close("CONNECTION_CLOSED", "");
  pair.server.flush();
  assert.equal(pair.server.host.isEnded, false);
  pair.server.drain();
  assert.equal(pair.server.host.isEnded, true);
  assert.deepEqual(describe(pair.server.host.written), ["GOAWAY 0 CLOSED"]);
});

test("the handler hears why its caller gave up", () => {
  for (const [code, expected] of [
    [1, "CANCELLED"],
    [2, "TIMEOUT"],
    [0, "CONNECTION_CLOSED"],
  ] as const) {
    const pair = connect();
    pair.server.receive(open(1), reset(1, code));
    assert.equal(pair.server.host.events.at(-1), `caller of 1 gone: ${expected}`);
  }
});

test("a ping is answered with its own bytes and settles its request, in any order", () => {
  const pair = connect();
  const pings = [new FakeRequest(""), new FakeRequest("")];
  for (const ping of pings) pair.client.session.ping(ping);
  pair.client.flush();
  const [first, second] = describe(pair.client.host.written).map((line) => line.replace("PING", "PONG"));
  assert.notEqual(first, second);
  pair.settle();
  assert.deepEqual(
    pings.map(({ outcome }) => outcome),
    ["reply ", "reply "],
  );
  pair.client.session.cancel(pings[0]!, "CANCELLED");
  assert.equal(pings[0]?.outcome, "reply ");
  assert.equal(pair.client.flush(), false);
});

test("a PONG that nobody waits for is ignored", () => {
  const pair = connect();
  pair.client.receive(frame(TYPE.PONG, 0, 0, "nonsense"));
  assert.equal(pair.client.host.isAborted, false);
});

test("a ping can be cancelled, time out and be lost, and then its PONG is ignored", () => {
  const pair = connect();
  const [cancelled, late, lost] = [Infinity, pair.clock.now() + 50, Infinity].map((at) => new FakeRequest("", at));
  for (const ping of [cancelled!, late!, lost!]) pair.client.session.ping(ping);
  pair.client.flush();
  pair.client.session.cancel(cancelled!, "CANCELLED");
  assert.equal(pair.client.session.nextDeadline, pair.clock.now() + 50);
  pair.clock.advance(50);
  pair.client.tick();
  assert.equal(pair.client.session.isIdle, false);
  pair.client.lose();
  const outcomes = [cancelled, late, lost].map((ping) => ping?.outcome);
  assert.deepEqual(outcomes, ["CANCELLED unsent", "TIMEOUT unsent", "CONNECTION_LOST unsent"]);
});
