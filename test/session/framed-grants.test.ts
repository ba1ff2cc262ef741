import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingStream } from "../../src/session/incoming-stream.js";
import { pattern } from "../support/bytes.js";
import { makeFramed, type Pair } from "./pair.js";
import { describe, END, frame, framesOf, open, TYPE } from "./raw.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll, streamServer } from "./streams.js";

const FIRST = 65_536;
/** What a stream that is read may have under way. */
const CUSTOMARY: number = FIRST + 524_288;
const POOL = 4_194_304;
/** So many streams at their customary room use it up. */
const MANY = POOL / (CUSTOMARY - FIRST);

/** What was granted of each exchange since the last call. */
function grants({ server }: Pair): Map<number, number> {
  server.flush();
  const granted = new Map<number, number>();
  for (const write of server.host.takeWrites()) {
    for (const { type, exchange, payload } of framesOf(write)) {
      if (type !== TYPE.WINDOW) continue;
      const bytes = Buffer.from(payload, "hex").readUInt32LE();
      granted.set(Number(exchange), (granted.get(Number(exchange)) ?? 0) + bytes);
    }
  }
  return granted;
}

/** Streams of a raw client, each with its first window full. */
function begin(pair: Pair, count: number): IncomingStream[] {
  for (let index = 0; index < count; index++) {
    pair.server.receive(frame(TYPE.OPEN, 0, 2 * index + 1, pattern(FIRST, index)));
  }
  return Array.from({ length: count }, (_, index) => incomingOf(pair.server, index));
}

/** Sends so many bytes of an exchange, in frames that are allowed. */
function fill(pair: Pair, exchange: number, bytes: number): void {
  for (let left = bytes; left > 0; left -= 32_768) {
    pair.server.receive(frame(TYPE.DATA, 0, exchange, pattern(Math.min(left, 32_768))));
  }
}

test("who reads half of the first window gets the customary room, in one grant; who does not read gets none", () => {
  const pair = streamServer();
  for (const id of [1, 3]) {
    pair.server.receive(frame(TYPE.OPEN, 0, id, pattern(FIRST / 2 - 1)), frame(TYPE.DATA, 0, id, pattern(1)));
    pair.server.receive(frame(TYPE.DATA, 0, id, pattern(FIRST / 2)));
  }
  incomingOf(pair.server).read();
  assert.deepEqual([...grants(pair)], []);
  incomingOf(pair.server).read();
  assert.deepEqual([...grants(pair)], [[1, CUSTOMARY - FIRST / 2]]);
  incomingOf(pair.server).read();
  assert.deepEqual([...grants(pair)], []);
});

test("after that there is a grant for each half of the customary room", () => {
  const pair = streamServer();
  const [stream] = begin(pair, 1);
  readAll(stream);
  assert.deepEqual([...grants(pair)], [[1, CUSTOMARY]]);
  fill(pair, 1, CUSTOMARY);
  assert.equal(pair.server.session.heldBytes, CUSTOMARY);
  for (let read = 0; read < CUSTOMARY / 2; read += 32_768) {
    assert.deepEqual([...grants(pair)], []);
    stream?.read();
  }
  assert.deepEqual([...grants(pair)], [[1, CUSTOMARY / 2]]);
  assert.equal(stream?.windowBytes, CUSTOMARY / 2);
});

test("while whole messages pass, a stream has its first window only; after a mebibyte without any it is wide again", () => {
  const pair = streamServer({ maxInFlight: 1_000 });
  const [stream] = begin(pair, 1);
  readAll(stream);
  assert.deepEqual([...grants(pair)], [[1, CUSTOMARY]]);
  let last = 1;
  const pass = () => {
    last += 2;
    pair.server.receive(frame(TYPE.OPEN, END, last, "small"));
  };
  pass();
  // What was granted is out of reach: it comes to be read, and little of it is granted anew.
  fill(pair, 1, CUSTOMARY);
  readAll(stream);
  assert.deepEqual([...grants(pair)], [[1, FIRST]]);
  for (let round = 0; round < 20; round++) {
    if (round < 4) pass();
    fill(pair, 1, FIRST);
    readAll(stream);
    const bytes = grants(pair).get(1);
    if (bytes === CUSTOMARY) {
      assert.equal((round - 2) * FIRST, 1_048_576);
      return;
    }
    assert.equal(bytes, FIRST);
  }
  assert.fail("it has not become wide again");
});

test("a frame that is half there counts as what it takes up", () => {
  const pair = streamServer();
  pair.server.receive(frame(TYPE.OPEN, 0, 1, pattern(33_000)));
  const half = frame(TYPE.DATA, 0, 1, pattern(FIRST - 33_000));
  pair.server.receive(half.subarray(0, 16 + 30_000));
  const stream = incomingOf(pair.server);
  stream.read();
  const granted = grants(pair).get(1) ?? 0;
  assert.equal(stream.windowBytes + stream.unreadBytes <= CUSTOMARY, true, `${granted} bytes were granted`);
  assert.equal(stream.unreadBytes, 30_000);
  pair.server.receive(half.subarray(16 + 30_000));
  fill(pair, 1, granted);
  assert.equal(pair.server.session.heldBytes <= CUSTOMARY, true, `${pair.server.session.heldBytes} bytes are held`);
});

test("a stream that is not read holds back only itself", () => {
  const pair = connectStreams(makeFramed, { maxInFlight: 20 });
  const requests = Array.from({ length: 10 }, (_, index) => {
    const request = pair.client.sendStream();
    request.outgoing.write(pattern(700_000, index));
    request.outgoing.end();
    return request;
  });
  const read = Array.from({ length: 10 }, () => 0);
  for (let round = 0; round < 10; round++) {
    pair.settle();
    for (let index = 1; index < 10; index++) read[index]! += readAll(incomingOf(pair.server, index)).length;
  }
  assert.deepEqual(read, [0, ...Array(9).fill(700_000)]);
  assert.equal(pair.server.session.heldBytes, FIRST);
  assert.equal(pair.server.session.isCongested, false);
  assert.equal(pair.client.session.heldBytes, 700_000 - FIRST);
  pair.client.session.cancel(requests[0]!, "CANCELLED");
  pair.settle();
  assert.equal(pair.client.session.heldBytes, 0);
});

test("fast readers that stall use up the pool; all others still go on at their first windows", () => {
  const count = MANY + 50;
  const pair = streamServer({ maxInFlight: count });
  const streams = begin(pair, count);
  const granted = new Map<number, number>();
  for (const [index, stream] of streams.entries()) {
    readAll(stream);
    for (const [id, bytes] of grants(pair)) granted.set(id, bytes);
    fill(pair, 2 * index + 1, granted.get(2 * index + 1) ?? 0);
  }
  const sum = [...granted.values()].reduce((all, bytes) => all + bytes, 0);
  assert.equal(sum, POOL + count * FIRST);
  assert.equal(pair.server.session.heldBytes, sum);
  assert.equal(granted.get(1), CUSTOMARY);
  assert.equal(granted.get(2 * count - 1), FIRST);
  const last = streams.at(-1);
  for (let round = 0; round < 3; round++) {
    assert.equal(readAll(last).length, FIRST);
    assert.deepEqual([...grants(pair)], [[2 * count - 1, FIRST]]);
    fill(pair, 2 * count - 1, FIRST);
  }
});

test("what a stream got of the pool is free again when it is over and read, not before", () => {
  const pair = streamServer({ maxInFlight: 2 * MANY });
  const streams = begin(pair, MANY + 4);
  for (const [index, stream] of streams.entries()) {
    readAll(stream);
    fill(pair, 2 * index + 1, grants(pair).get(2 * index + 1) ?? 0);
  }
  for (let index = 0; index < MANY; index++) pair.server.receive(frame(TYPE.DATA, END, 2 * index + 1));
  const heldBytes = POOL + (MANY + 4) * FIRST;
  assert.equal(pair.server.session.heldBytes, heldBytes);
  // The pool is used up as long as nobody reads: a new stream keeps to its first window.
  pair.server.receive(frame(TYPE.OPEN, 0, 1_001, pattern(FIRST)));
  readAll(incomingOf(pair.server, MANY + 4));
  assert.deepEqual([...grants(pair)], [[1_001, FIRST]]);
  readAll(streams[0]);
  pair.server.receive(frame(TYPE.DATA, 0, 1_001, pattern(FIRST)));
  readAll(incomingOf(pair.server, MANY + 4));
  assert.deepEqual([...grants(pair)], [[1_001, CUSTOMARY]]);
});

test("the pool is free again after streams that were stopped, given up, failed or lost their caller", () => {
  for (const how of ["stopped", "given up", "failed"] as const) {
    const pair = streamServer({ maxInFlight: 2 * MANY });
    const streams = begin(pair, MANY + 4);
    for (const stream of streams) readAll(stream);
    assert.equal(grants(pair).get(2 * MANY + 7), FIRST);
    for (const [index, stream] of streams.entries()) {
      const exchange = exchangeOf(pair.server, index);
      if (how === "stopped") stream.stop();
      else if (how === "given up") pair.server.receive(frame(TYPE.RESET, 0, exchange.id, Buffer.alloc(4)));
      else pair.server.session.fail(exchange, "HANDLER_FAILED", "");
    }
    pair.server.receive(frame(TYPE.OPEN, 0, 1_001, pattern(FIRST)));
    readAll(incomingOf(pair.server, MANY + 4));
    assert.equal(grants(pair).get(1_001), CUSTOMARY, how);
  }
});

test("1,000 streams of which one is never read: the others finish, and the one is cancelled cleanly", () => {
  const pair = connectStreams(makeFramed, { maxInFlight: 1_000 });
  pair.server.host.onMessage = (exchange) => {
    if (exchange.id === 999) return;
    const stream = incomingOf(pair.server, pair.server.host.exchanges.length - 1);
    let bytes = 0;
    stream.onChange = () => {
      bytes += readAll(stream).length;
      if (stream.hasEnded) pair.server.session.reply(exchange, `${bytes}`);
    };
    stream.onChange();
  };
  const requests = Array.from({ length: 1_000 }, () => pair.client.sendStream());
  for (const { outgoing } of requests) {
    outgoing.write(pattern(100_000));
    outgoing.end();
  }
  pair.settle();
  const stuck = requests[499]!;
  assert.equal(stuck.id, 999);
  const replied = requests.filter(({ outcome }) => outcome === "reply 100000");
  assert.equal(replied.length, 999);
  assert.equal(pair.server.session.heldBytes, FIRST);
  pair.client.session.cancel(stuck, "CANCELLED");
  pair.settle();
  readAll(incomingOf(pair.server, 499));
  pair.server.session.fail(exchangeOf(pair.server, 499), "HANDLER_FAILED", "nobody hears this");
  pair.settle();
  assert.deepEqual([pair.server.rest(), pair.client.rest()], [true, true]);
  assert.deepEqual([pair.server.session.heldBytes, pair.client.session.heldBytes], [0, 0]);
});

test("a stream with much data lets small messages and other streams pass between its pieces", () => {
  const pair = connectStreams(makeFramed, { maxInFlight: 10 });
  const much = pair.client.sendStream();
  for (let seed = 0; seed < 30; seed++) much.outgoing.write(pattern(100_000, seed));
  const little = pair.client.sendStream();
  little.outgoing.write(pattern(200_000));
  pair.client.host.isWritable = false;
  pair.client.flush();
  pair.client.send("small");
  pair.client.drain();
  const lines = describe(pair.client.host.written);
  assert.deepEqual(lines, ["OPEN 1 of 65536", "OPEN 3 of 65536", 'OPEN+END 5 "small"']);

  const { server } = streamServer({ maxInFlight: 10 });
  server.receive(open(1), open(3), open(5));
  answerOf(server, 0).write(pattern(1_000_000));
  answerOf(server, 1).write(pattern(300_000));
  server.session.reply(exchangeOf(server, 2), "small");
  server.flush();
  const order = describe(server.host.written).map((line) => line.split(" ")[1]);
  assert.deepEqual(order.slice(0, 7), ["5", "1", "3", "1", "3", "1", "3"]);
});

test("nor do small messages that never end hold back a stream, or a large message, for more than one write", () => {
  for (const isStream of [true, false]) {
    const pair = connectStreams(makeFramed, { maxInFlight: 1_000 });
    pair.client.host.isWritable = false;
    const feed = () => {
      for (let index = 0; index < 10; index++) pair.client.send(pattern(60_000, index));
    };
    feed();
    pair.client.flush();
    if (isStream) pair.client.sendStream().outgoing.write(pattern(50_000));
    else pair.client.send(pattern(70_000));
    for (let round = 0; round < 5; round++) {
      feed();
      pair.client.host.drain();
      pair.client.session.drained();
    }
    const lines = describe(pair.client.host.written);
    assert.equal(
      lines.some((line) => /^OPEN(\+SIZE)? \d+ of (50000|65544)$/.test(line)),
      true,
      lines.join(),
    );
  }
});
