import assert from "node:assert/strict";
import { test } from "node:test";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { makeFramed, Pair } from "./pair.js";
import { END, frame, open, TYPE, WINDOW } from "./raw.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll, streamServer } from "./streams.js";

function announcing(count: number, ...args: Parameters<typeof frame>): Buffer {
  const bytes = Buffer.from(frame(...args));
  bytes[2] = count;
  return bytes;
}

test("descriptors come with the first frame of a stream, empty or not, and are its handler's from then on", () => {
  for (const body of ["", "some bytes"]) {
    const { server } = streamServer();
    server.session.receive(announcing(2, TYPE.OPEN, 0, 1, body), [10, 11]);
    assert.deepEqual(exchangeOf(server).received, [10, 11]);
    server.receive(frame(TYPE.RESET, 0, 1, Buffer.alloc(4)));
    assert.deepEqual(server.host.closed, []);
  }
});

test("descriptors of a stream that waits behind others are closed when it is given up", () => {
  const { server } = streamServer({ maxInFlight: 1 });
  server.receive(open(1));
  server.session.receive(announcing(1, TYPE.OPEN, 0, 3, "x"), [10]);
  server.receive(frame(TYPE.RESET, 0, 3, Buffer.alloc(4)));
  assert.deepEqual(server.host.closed, [10]);
});

test("descriptors leave with the first frame of a message or a reply that is a stream", () => {
  const hello = { limits: { maxMessageBytes: 2 ** 50, maxInFlight: 4, maxDescriptors: 4, windowBytes: 65_536 } };
  const pair = new Pair(makeFramed, { client: { hello }, server: { hello, limits: { takesStreams: true } } }).settle();
  const request = Object.assign(new FakeRequest(""), { outgoing: new OutgoingStream(), descriptors: [20, 21] });
  request.isStreamed = true;
  pair.client.session.send(request);
  request.outgoing.write(Buffer.from("a"));
  pair.client.flush();
  assert.deepEqual(pair.client.host.sentDescriptors, [{ at: 0, descriptors: [20, 21] }]);
  pair.client.host.takeWrites();
  pair.server.session.receive(announcing(2, TYPE.OPEN, WINDOW, 1, Buffer.from([0, 0, 1, 0])), [20, 21]);
  const outgoing = new OutgoingStream();
  pair.server.session.replyStream(exchangeOf(pair.server), outgoing, [30]);
  pair.server.flush();
  assert.deepEqual(pair.server.host.sentDescriptors, []);
  outgoing.write(Buffer.from("b"));
  pair.server.flush();
  assert.deepEqual(pair.server.host.sentDescriptors, [{ at: 0, descriptors: [30] }]);
  assert.deepEqual([pair.client.host.closed, pair.server.host.closed], [[], []]);
});

test("descriptors of a reply that is a stream are closed when it is given up before it has begun", () => {
  const hello = { limits: { maxMessageBytes: 2 ** 50, maxInFlight: 4, maxDescriptors: 4 } };
  const pair = new Pair(makeFramed, { client: { hello }, server: { limits: { takesStreams: true } } }).settle();
  const request = pair.client.ask();
  pair.settle();
  pair.server.session.replyStream(exchangeOf(pair.server), new OutgoingStream(), [30]);
  pair.client.session.cancel(request, "CANCELLED");
  pair.settle();
  assert.deepEqual(pair.server.host.closed, [30]);
});

test("a stream that brings nothing for a long time is not cut, half a frame of it is", () => {
  const { server, clock } = streamServer();
  server.receive(frame(TYPE.OPEN, 0, 1, "a"));
  assert.equal(server.session.nextDeadline, Infinity);
  clock.advance(1_000_000);
  server.tick();
  assert.equal(server.host.isAborted, false);
  server.receive(frame(TYPE.DATA, 0, 1, pattern(100)).subarray(0, 50));
  clock.advance(1_999);
  server.tick();
  assert.equal(server.host.isAborted, false);
  clock.advance(1);
  server.tick();
  assert.equal(server.host.error?.code, "TIMEOUT");
  assert.equal(server.host.events.includes("abort TIMEOUT"), true);
});

test("a stream is not idle, and a connection with one does not rest, until it is over", () => {
  const pair = connectStreams(makeFramed, { idleTimeoutMs: 1_000 });
  const request = pair.client.sendStream();
  request.outgoing.write(Buffer.from("a"));
  pair.settle();
  assert.deepEqual([pair.client.session.isIdle, pair.server.session.isIdle], [false, false]);
  pair.advance(10_000);
  assert.equal(pair.server.host.isEnded, false);
  pair.server.session.reply(exchangeOf(pair.server), "early");
  pair.settle();
  assert.deepEqual([pair.client.session.isIdle, pair.server.session.isIdle], [false, false]);
  assert.equal(pair.client.rest(), false);
  request.outgoing.end();
  pair.settle();
  assert.deepEqual([pair.client.session.isIdle, pair.server.session.isIdle], [true, true]);
  assert.equal(pair.client.rest(), true);
  pair.advance(1_000);
  assert.equal(pair.server.host.isEnded, true);
});

test("a client has at most maxInFlight exchanges that are not over, those with an early reply included", () => {
  const pair = connectStreams(makeFramed, { maxInFlight: 2 });
  const requests = [0, 1, 2].map(() => pair.client.sendStream());
  for (const { outgoing } of requests) outgoing.write(Buffer.from("a"));
  pair.settle();
  assert.equal(pair.server.host.exchanges.length, 2);
  for (const exchange of pair.server.host.exchanges) pair.server.session.reply(exchange, "early");
  pair.settle();
  assert.equal(pair.server.host.exchanges.length, 2);
  requests[1]?.outgoing.end();
  pair.settle();
  assert.equal(pair.server.host.exchanges.length, 3);
});

test("a server that closes lets its streams end, skips what is new, and then ends", () => {
  const { server } = streamServer();
  server.receive(frame(TYPE.OPEN, 0, 1, "a"));
  server.session.close("CONNECTION_CLOSED", "closing");
  server.receive(frame(TYPE.OPEN, 0, 3, pattern(50_000)), frame(TYPE.DATA, 0, 3, pattern(1_000)));
  server.receive(frame(TYPE.DATA, END, 1, "b"), frame(TYPE.STOP, 0, 3), frame(TYPE.WINDOW, 0, 3, Buffer.alloc(4)));
  assert.equal(readAll(incomingOf(server)).toString(), "ab");
  assert.equal(server.session.heldBytes, 0);
  server.session.reply(exchangeOf(server), "");
  server.flush();
  assert.equal(server.host.isEnded, true);
  assert.equal(server.host.exchanges.length, 1);
});

test("a message for the server itself is whole, also on a server that takes streams", () => {
  const { server } = streamServer();
  server.receive(frame(TYPE.OPEN, 8, 1, "hel"), frame(TYPE.DATA, END, 1, "lo"));
  assert.equal(exchangeOf(server).message?.text(), "hello");
  answerOf(server).write(Buffer.from("x"));
});
