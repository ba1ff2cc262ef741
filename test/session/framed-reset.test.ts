import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import type { Pair } from "./pair.js";
import { describe, END, frame, goAway, open, reset, TYPE, WINDOW } from "./raw.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll, streamClient, streamServer } from "./streams.js";

const window = Buffer.from([0, 0, 1, 0]);
const ask = (exchange: number, flags = END) => frame(TYPE.OPEN, flags | WINDOW, exchange, window);
const GONE = "caller of 1 gone: CANCELLED";

/** Where an exchange can be when its caller gives up, and what is said to its handler then. */
const STATES: readonly (readonly [string, (pair: Pair) => void, string | undefined])[] = [
  [
    "its first frame is half there",
    ({ server }) => server.receive(frame(TYPE.OPEN, 0, 1, "ab").subarray(0, 17)),
    undefined,
  ],
  ["it is handled", ({ server }) => server.receive(frame(TYPE.OPEN, 0, 1, "ab")), GONE],
  ["it is handled and has ended", ({ server }) => server.receive(open(1)), GONE],
  [
    "its reply has begun and waits for bytes",
    ({ server }) => {
      server.receive(ask(1));
      answerOf(server).write(pattern(10));
      server.flush();
    },
    GONE,
  ],
  [
    "its reply waits for credit",
    ({ server }) => {
      server.receive(ask(1));
      answerOf(server).write(pattern(1_000_000));
      server.flush();
    },
    GONE,
  ],
  [
    "its reply, whole, waits for credit",
    ({ server }) => {
      server.receive(ask(1));
      server.session.reply(exchangeOf(server), pattern(1_000_000));
      server.flush();
    },
    undefined,
  ],
  [
    "its reply, whole, waits for the transport",
    ({ server }) => {
      server.receive(ask(1));
      server.session.reply(exchangeOf(server), "small");
    },
    undefined,
  ],
  [
    "its reply is out and the message is still read",
    ({ server }) => {
      server.receive(ask(1, 0));
      server.session.reply(exchangeOf(server), "early");
      server.flush();
    },
    GONE,
  ],
  [
    "its reply is out and the message was stopped",
    ({ server }) => {
      server.receive(ask(1, 0));
      server.session.reply(exchangeOf(server), "early");
      incomingOf(server).stop();
      server.flush();
    },
    undefined,
  ],
];

for (const [when, arrange, told] of STATES) {
  test(`a caller that gives up when ${when} ends it all, and its place is free`, () => {
    const pair = streamServer({ maxInFlight: 1 });
    const { server } = pair;
    arrange(pair);
    if (when.startsWith("its first")) server.receive(frame(TYPE.OPEN, 0, 1, "ab").subarray(17));
    server.receive(reset(1, 1));
    const events = server.host.events.filter((event) => event.startsWith("caller"));
    assert.deepEqual(events, told === undefined && !when.startsWith("its first") ? [] : [GONE]);
    const [exchange] = server.host.exchanges;
    assert.notEqual(exchange?.outgoing?.isOver, false);
    if (exchange?.incoming !== undefined) readAll(exchange.incoming);
    assert.equal(server.session.heldBytes, 0);
    server.session.fail(exchange!, "HANDLER_FAILED", "nobody hears this");
    server.host.takeWrites();
    server.flush();
    assert.deepEqual(server.host.writes.flatMap(describe), []);
    assert.equal(server.rest(), true);
    server.receive(frame(TYPE.DATA, END, 1, "what was on its way"), open(3, "next"));
    assert.equal(server.host.events.at(-1), 'exchange 3 "next"');
  });
}

test("a stream that waits behind others and is given up never reaches a handler, and nothing of it is kept", () => {
  const { server } = streamServer({ maxInFlight: 1 });
  server.receive(open(1), frame(TYPE.OPEN, 0, 3, pattern(50_000)));
  assert.equal(server.session.heldBytes, 5 + 50_000);
  server.receive(reset(3, 1));
  assert.equal(server.session.heldBytes, 5);
  server.session.reply(exchangeOf(server), "");
  server.flush();
  assert.equal(server.host.exchanges.length, 1);
  assert.equal(server.rest(), true);
});

test("streams that wait behind others are not begun, and not kept, when the connection is lost", () => {
  const { server } = streamServer({ maxInFlight: 1 });
  server.receive(ask(1), frame(TYPE.OPEN, 0, 3, pattern(50_000)), frame(TYPE.OPEN, 0, 5, "x"));
  server.session.reply(exchangeOf(server), pattern(1_000_000));
  server.flush();
  server.lose();
  assert.equal(server.host.exchanges.length, 1);
  assert.equal(server.session.heldBytes, 0);
});

test("a handler that fails in the middle of a frame skips the rest of it", () => {
  const { server } = streamServer();
  const bytes = frame(TYPE.OPEN, 0, 1, pattern(60_000));
  server.receive(bytes.subarray(0, 16 + 10));
  server.session.fail(exchangeOf(server), "HANDLER_FAILED", "no");
  server.receive(bytes.subarray(16 + 10), frame(TYPE.DATA, END, 1, pattern(1_000)), open(3, "next"));
  assert.equal(server.session.heldBytes, 4);
  server.flush();
  assert.deepEqual(describe(server.host.written), ["RESET 1 HANDLER_FAILED"]);
});

test("a reply that has begun and fails takes its message with it", () => {
  const pair = connectStreams();
  const request = pair.client.open();
  request.outgoing.write(pattern(500_000));
  pair.settle();
  const outgoing = answerOf(pair.server);
  outgoing.write(pattern(500_000));
  pair.settle();
  pair.server.session.fail(exchangeOf(pair.server), "HANDLER_FAILED", "in the middle", "EMIDDLE");
  assert.deepEqual([outgoing.isOver, incomingOf(pair.server).isOver], [true, true]);
  pair.settle();
  assert.equal(request.outcome, "stream, HANDLER_FAILED unknown");
  assert.deepEqual([request.fact, request.details], ["in the middle", { remoteCode: "EMIDDLE" }]);
  assert.deepEqual([request.outgoing.isOver, request.stream?.isOver, request.stream?.hasEnded], [true, true, false]);
  assert.equal(readAll(request.stream).length, 65_536);
  readAll(incomingOf(pair.server));
  pair.settle();
  assert.deepEqual([pair.client.session.heldBytes, pair.server.session.heldBytes], [0, 0]);
  assert.deepEqual([pair.client.rest(), pair.server.rest()], [true, true]);
});

test("an exchange has one answer: what comes after the beginning of a stream is ignored, but for its failure", () => {
  const pair = connectStreams();
  const request = pair.client.ask();
  pair.settle();
  const outgoing = answerOf(pair.server);
  outgoing.write(Buffer.from("first"));
  pair.server.session.reply(exchangeOf(pair.server), "second");
  const third = answerOf(pair.server);
  assert.equal(third.isOver, true);
  pair.settle();
  assert.equal(readAll(request.stream).toString(), "first");
  pair.server.session.endReply(exchangeOf(pair.server));
  pair.settle();
  pair.server.session.fail(exchangeOf(pair.server), "HANDLER_FAILED", "too late");
  pair.settle();
  assert.deepEqual([request.outcome, request.overs], ["stream", 1]);
  assert.equal(pair.server.rest(), true);
});

test("a RESET after the reply has ended breaks off a message that is still written", () => {
  const { client } = streamClient();
  const request = client.sendStream();
  request.outgoing.write(Buffer.from("a"));
  client.flush();
  client.receive(frame(TYPE.DATA, END, 1, "early"));
  assert.deepEqual([request.outcome, request.overs], ["reply early", 0]);
  assert.equal(client.session.isIdle, false);
  client.receive(reset(1, 3, "after all"));
  assert.equal(request.outcome, "reply early, HANDLER_FAILED unknown");
  assert.equal(request.outgoing.isOver, true);
  assert.equal(client.session.isIdle, true);
});

test("an early reply to a whole message that is still on its way gives the message up", () => {
  const { client } = streamClient();
  const request = client.send(pattern(1_000_000));
  client.flush();
  client.host.takeWrites();
  client.receive(frame(TYPE.DATA, END, 1, "early"));
  client.flush();
  assert.deepEqual(describe(client.host.written), ["RESET 1 CANCELLED"]);
  assert.deepEqual([request.outcome, client.session.isIdle], ["reply early", true]);
});

test("a deadline ends an exchange on both sides while both of its streams are open, and also after the reply has ended", () => {
  const pair = connectStreams();
  const both = pair.client.open(pair.clock.now() + 80);
  const early = pair.client.sendStream(pair.clock.now() + 80);
  for (const { outgoing } of [both, early]) outgoing.write(Buffer.from("a"));
  pair.settle();
  answerOf(pair.server, 0).write(Buffer.from("b"));
  pair.server.session.reply(exchangeOf(pair.server, 1), "early");
  pair.settle();
  assert.deepEqual([both.outcome, early.outcome], ["stream", "reply early"]);
  pair.advance(88);
  assert.deepEqual([both.outcome, early.outcome], ["stream, TIMEOUT unknown", "reply early, TIMEOUT unknown"]);
  const gone = pair.server.host.events.filter((event) => event.startsWith("caller"));
  assert.deepEqual(gone, ["caller of 1 gone: TIMEOUT", "caller of 3 gone: TIMEOUT"]);
  assert.deepEqual([pair.client.session.nextDeadline, pair.client.session.isIdle], [Infinity, true]);
});

test("GOAWAY: a stream that the server has goes on, one that it has not seen is unsent", () => {
  const { client } = streamClient();
  const [seen, unseen] = [client.open(), client.open()];
  for (const { outgoing } of [seen, unseen]) outgoing.write(pattern(100_000));
  client.flush();
  client.receive(goAway(1, 0, "restarting"));
  assert.deepEqual([seen.outcome, unseen.outcome], ["", "CONNECTION_CLOSED unsent"]);
  assert.deepEqual([seen.outgoing.isOver, unseen.outgoing.isOver], [false, true]);
  assert.equal(client.session.heldBytes, 100_000 - 65_536);
});

test("a stream that was not begun is unsent when it is cancelled, and nothing leaves", () => {
  const pair = connectStreams();
  const [request, queued] = [pair.client.open(), pair.client.open()];
  for (const { outgoing } of [request, queued]) outgoing.write(pattern(10_000));
  pair.client.session.cancel(request, "CANCELLED");
  pair.client.host.isWritable = false;
  pair.client.session.ping(new FakeRequest(""));
  pair.client.flush();
  pair.client.session.cancel(queued, "TIMEOUT");
  assert.match(`${request.outcome} ${queued.outcome}`, /^CANCELLED unsent TIMEOUT (unsent|unknown)$/);
  assert.equal(pair.client.session.heldBytes, 0);
});

test("a session does not rest while a stream that has come is not read", () => {
  const pair = connectStreams();
  const request = pair.client.ask();
  pair.settle();
  answerOf(pair.server).write(pattern(200));
  pair.settle();
  pair.server.session.endReply(exchangeOf(pair.server));
  pair.settle();
  assert.deepEqual([pair.client.session.isIdle, pair.client.session.heldBytes], [true, 200]);
  assert.equal(pair.client.rest(), false);
  readAll(request.stream);
  pair.settle();
  assert.equal(pair.client.rest(), true);
});

test("what was answered early and is out is not held any more, while the message goes on", () => {
  const { server } = streamServer();
  server.receive(frame(TYPE.OPEN, 0, 1, "a"));
  readAll(incomingOf(server));
  server.session.reply(exchangeOf(server), pattern(10_000));
  assert.equal(server.session.heldBytes, 10_000);
  server.flush();
  assert.equal(server.session.heldBytes, 0);
});
