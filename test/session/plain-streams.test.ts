import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { makePlain, Pair } from "./pair.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll } from "./streams.js";

const connect = () => connectStreams(makePlain);

test("a stream that ends without a byte is no message, and says so instead of looking answered", () => {
  for (const isFlushed of [true, false]) {
    const pair = connect();
    const request = pair.client.sendStream();
    if (isFlushed) pair.settle();
    request.outgoing.end();
    pair.settle();
    assert.equal(request.outcome, "UNSUPPORTED unsent");
    assert.match(request.fact, /empty message/);
    assert.equal(pair.server.host.exchanges.length, 0);
  }
});

test("what is written to a reply counts as held before it is flushed", () => {
  const pair = connect();
  pair.client.send("a");
  pair.settle();
  readAll(incomingOf(pair.server));
  const outgoing = answerOf(pair.server);
  outgoing.write(pattern(100));
  outgoing.write(pattern(10_000));
  assert.equal(pair.server.session.heldBytes, 10_100);
});

test("a text that is answered counts in bytes", () => {
  const pair = new Pair(makePlain);
  pair.client.send("a");
  pair.settle();
  pair.server.session.reply(exchangeOf(pair.server), "€".repeat(10));
  assert.equal(pair.server.session.heldBytes, 1 + 30);
});

test("512 KiB that are not read stop the reading, until something is read", () => {
  const pair = connect();
  const request = pair.client.sendStream();
  for (let seed = 0; seed < 20; seed++) request.outgoing.write(pattern(100_000, seed));
  pair.settle();
  assert.equal(pair.server.session.isCongested, true);
  assert.equal(pair.server.session.heldBytes < 524_288 + 262_144, true, `${pair.server.session.heldBytes}`);
  let read = readAll(incomingOf(pair.server)).length;
  assert.equal(pair.server.session.isCongested, false);
  for (let round = 0; round < 5; round++) {
    pair.server.syncPause();
    pair.settle();
    read += readAll(incomingOf(pair.server)).length;
  }
  assert.equal(read, 2_000_000);
});

test("a caller that has had enough of a reply hangs up", () => {
  const pair = connect();
  const request = pair.client.ask("a");
  pair.settle();
  const outgoing = answerOf(pair.server);
  outgoing.write(pattern(1_000));
  pair.settle();
  request.stream?.stop();
  assert.equal(request.outcome, "stream, CANCELLED unknown");
  assert.equal(pair.client.host.isAborted, true);
  pair.settle();
  pair.server.lose();
  assert.equal(outgoing.isOver, true);
});

test("a handler that fails after its reply has begun ends the connection", () => {
  const pair = connect();
  pair.client.ask("a");
  pair.settle();
  const outgoing = answerOf(pair.server);
  outgoing.write(pattern(10));
  pair.server.session.fail(exchangeOf(pair.server), "HANDLER_FAILED", "no");
  assert.deepEqual([outgoing.isOver, incomingOf(pair.server).isOver], [true, true]);
  assert.equal(pair.server.host.events.at(-1), "abort quietly");
  assert.equal(pair.server.session.heldBytes, 1);
  readAll(incomingOf(pair.server));
  assert.equal(pair.server.session.heldBytes, 0);
});

test("a reply that is not read in time tells its handler, which may wait for more of the message", () => {
  const pair = connect();
  const request = pair.client.open();
  request.outgoing.write(Buffer.from("a"));
  pair.settle();
  pair.server.host.isWritable = false;
  const outgoing = answerOf(pair.server);
  outgoing.write(pattern(1_000));
  pair.server.flush();
  pair.clock.advance(2_000);
  pair.server.tick();
  assert.equal(pair.server.host.error?.code, "TIMEOUT");
  assert.equal(pair.server.host.events.includes("caller of 1 gone: TIMEOUT"), true);
  assert.equal(outgoing.isOver, true);
});

test("what comes after it has cut the connection is not kept", () => {
  const pair = connect();
  pair.server.receive(Buffer.from("a"));
  pair.server.session.fail(exchangeOf(pair.server), "HANDLER_FAILED", "no");
  readAll(incomingOf(pair.server));
  pair.server.session.receive(pattern(1_000));
  assert.equal(pair.server.session.heldBytes, 0);
});

test("a stream is read straight into memory that stays its reader's", () => {
  const pair = connect();
  const request = pair.client.sendStream();
  const chunks: Buffer[] = [];
  for (let seed = 0; seed < 50; seed++) {
    request.outgoing.write(pattern(3_000, seed));
    pair.settle();
    chunks.push(readAll(incomingOf(pair.server)));
  }
  for (const [seed, chunk] of chunks.entries()) assert.deepEqual(chunk, pattern(3_000, seed));
});
