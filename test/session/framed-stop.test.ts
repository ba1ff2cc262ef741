import assert from "node:assert/strict";
import { test } from "node:test";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import { pattern } from "../support/bytes.js";
import { makeFramed } from "./pair.js";
import { credit, describe, END, frame, open, SIZE, stop, TYPE, WINDOW } from "./raw.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll, streamClient, streamServer } from "./streams.js";

const window = Buffer.from([0, 0, 1, 0]);
/** A message whose reply is wanted as a stream. */
const ask = (exchange: number, flags = END) => frame(TYPE.OPEN, flags | WINDOW, exchange, window);

for (const [what, answer] of [
  ["a small reply", "small"],
  ["a reply as large as a frame may be", pattern(65_536)],
  ["a large reply", pattern(1_000_000)],
  ["a reply that is a stream", undefined],
] as const) {
  test(`after a STOP that comes before it, ${what} is only its end`, () => {
    const { server } = streamServer();
    server.receive(ask(1), stop(1));
    if (answer === undefined) {
      const outgoing = answerOf(server);
      assert.equal(outgoing.isOver, true);
      outgoing.write(pattern(1_000_000));
      server.session.endReply(exchangeOf(server));
    } else server.session.reply(exchangeOf(server), answer);
    server.flush();
    assert.deepEqual(describe(server.host.written), ['DATA+END 1 ""']);
    assert.equal(server.session.heldBytes, 0);
    assert.equal(server.rest(), true);
  });

  test(`after a STOP that comes while it waits, ${what} is only its end`, () => {
    const { server } = streamServer();
    server.host.isWritable = false;
    server.receive(frame(TYPE.PING, 0, 0, "12345678"), ask(1));
    server.flush();
    if (answer === undefined) {
      answerOf(server).write(pattern(1_000_000));
      server.session.endReply(exchangeOf(server));
    } else server.session.reply(exchangeOf(server), answer);
    server.receive(stop(1));
    server.drain();
    server.flush();
    assert.equal(describe(server.host.written).at(-1), 'DATA+END 1 ""');
    assert.equal(server.session.heldBytes, 0);
    assert.equal(server.rest(), true);
  });
}

for (const how of ["whole", "as a stream"]) {
  test(`a STOP in the middle of a reply that is sent ${how} is followed by its end, whatever its credit`, () => {
    const { server } = streamServer();
    server.receive(ask(1));
    if (how === "whole") server.session.reply(exchangeOf(server), pattern(1_000_000));
    else answerOf(server).write(pattern(1_000_000));
    server.flush();
    const sent = describe(server.host.written);
    assert.deepEqual(sent, [how === "whole" ? "DATA+SIZE 1 of 65544" : "DATA 1 of 65536"]);
    server.receive(stop(1));
    server.flush();
    assert.deepEqual(describe(server.host.written).slice(1), ['DATA+END 1 ""']);
    assert.equal(server.session.heldBytes, 0);
    if (how !== "whole") {
      assert.equal(server.rest(), false, "its handler is not done");
      server.session.endReply(exchangeOf(server));
    }
    server.flush();
    assert.equal(server.rest(), true);
    server.receive(credit(1, 100), stop(1));
    assert.equal(server.host.isAborted, false);
  });

  test(`a STOP in the middle of a message that is sent ${how} is followed by its end, and the reply still comes`, () => {
    const { client } = streamClient();
    const request = how === "whole" ? client.send(pattern(1_000_000)) : client.sendStream();
    request.outgoing?.write(pattern(1_000_000));
    client.flush();
    assert.deepEqual(describe(client.host.takeWrites()[0]!), [
      how === "whole" ? "OPEN+SIZE 1 of 65544" : "OPEN 1 of 65536",
    ]);
    client.receive(stop(1));
    client.flush();
    assert.deepEqual(describe(client.host.written), ['DATA+END 1 ""']);
    assert.equal(client.session.heldBytes, 0);
    assert.equal(request.outcome, "");
    client.receive(frame(TYPE.DATA, END, 1, "enough"));
    assert.deepEqual([request.outcome, request.overs], ["reply enough", 1]);
    assert.equal(client.session.isIdle, true);
  });
}

test("a STOP after the end of a direction, or after both, changes nothing", () => {
  const { client } = streamClient();
  const request = client.send("hello");
  client.flush();
  client.receive(stop(1), stop(1), frame(TYPE.DATA, END, 1, "reply"), stop(1));
  client.flush();
  assert.deepEqual(describe(client.host.written), ['OPEN+END 1 "hello"']);
  assert.equal(request.outcome, "reply reply");

  const { server } = streamServer();
  server.receive(frame(TYPE.OPEN, 0, 1, "a"));
  server.session.reply(exchangeOf(server), "early");
  server.flush();
  server.receive(stop(1), frame(TYPE.DATA, END, 1, "b"), stop(1));
  server.flush();
  assert.deepEqual(describe(server.host.written), ['DATA+END 1 "early"']);
  assert.equal(readAll(incomingOf(server)).toString(), "ab");
  server.flush();
  assert.equal(server.rest(), true);
});

test("who stops reading says so once, and skips what comes, whatever its size and however much", () => {
  const { server } = streamServer();
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(1_000_000n);
  server.receive(frame(TYPE.OPEN, SIZE, 1, Buffer.concat([size, pattern(60_000)])));
  incomingOf(server).stop();
  incomingOf(server).stop();
  server.flush();
  assert.deepEqual(describe(server.host.written), ["STOP 1"]);
  server.receive(frame(TYPE.DATA, 0, 1, pattern(200_000)), frame(TYPE.DATA, END, 1));
  assert.equal(server.host.isAborted, false);
  assert.equal(server.session.heldBytes, 0);
  assert.equal(incomingOf(server).hasEnded, true);
  server.session.reply(exchangeOf(server), "done");
  server.flush();
  assert.equal(server.rest(), true);
});

test("who stops reading in the middle of a frame skips the rest of it", () => {
  const { server } = streamServer();
  const bytes = frame(TYPE.OPEN, 0, 1, pattern(50_000));
  server.receive(bytes.subarray(0, 20_000));
  assert.equal(server.session.heldBytes, 50_000, "the memory for the whole frame is there");
  incomingOf(server).stop();
  assert.equal(server.session.heldBytes, 0);
  server.receive(bytes.subarray(20_000), open(3, "next"));
  assert.equal(server.session.heldBytes, 4);
  assert.equal(server.host.exchanges.length, 2);
});

test("who has read to the end says no STOP", () => {
  const pair = connectStreams();
  const request = pair.client.sendStream();
  request.outgoing.write(Buffer.from("a"));
  pair.settle();
  request.outgoing.end();
  pair.settle();
  incomingOf(pair.server).stop();
  assert.equal(pair.server.flush(), false);
});

test("a caller that has had enough of a reply ends it; its handler is told by its stream, and its place becomes free when it is done", () => {
  const pair = connectStreams(makeFramed, { maxInFlight: 1 });
  const request = pair.client.ask();
  pair.settle();
  const outgoing = answerOf(pair.server);
  outgoing.write(pattern(500_000));
  pair.settle();
  request.stream?.stop();
  pair.settle();
  assert.deepEqual([outgoing.isOver, request.overs, request.outcome], [true, 1, "stream"]);
  assert.equal(pair.client.session.isIdle, true);
  pair.client.send("next");
  pair.settle();
  assert.equal(pair.server.host.exchanges.length, 1, "the handler still runs");
  pair.server.session.endReply(exchangeOf(pair.server));
  pair.settle();
  assert.equal(pair.server.host.exchanges.length, 2);
  assert.deepEqual([pair.server.session.heldBytes, pair.client.session.heldBytes], ["next".length, 0]);
});

test("an answer that comes early keeps its place until the message has ended, so that nobody opens more than maxInFlight", () => {
  const { server } = streamServer({ maxInFlight: 2 });
  server.host.onMessage = (exchange) => {
    server.session.reply(exchange, "early");
    exchange.incoming?.stop();
  };
  for (let id = 1; id <= 9; id += 2) server.receive(frame(TYPE.OPEN, 0, id, "a"));
  server.flush();
  assert.equal(server.host.exchanges.length, 2);
  server.receive(frame(TYPE.DATA, END, 1));
  assert.equal(server.host.exchanges.length, 3);
  server.receive(frame(TYPE.RESET, 0, 3, Buffer.alloc(4)));
  assert.equal(server.host.exchanges.length, 4);
});

test("a stream that ends by itself is not stopped twice", () => {
  const outgoing = new OutgoingStream();
  let changes = 0;
  outgoing.onChange = () => changes++;
  outgoing.write(pattern(10));
  outgoing.stop();
  outgoing.stop();
  outgoing.discard();
  outgoing.end();
  assert.deepEqual([changes, outgoing.queuedBytes, outgoing.hasEnded, outgoing.isOver], [1, 0, true, true]);
});
