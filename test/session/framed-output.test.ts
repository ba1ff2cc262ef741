import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena } from "../../src/session/arena.js";
import { pattern } from "../support/bytes.js";
import { makeFramed, Pair } from "./pair.js";
import { describe, frame, framesOf, greeting, TYPE } from "./raw.js";

const connect = (options?: ConstructorParameters<typeof Pair>[1]) => new Pair(makeFramed, options).settle();

test("greeting and first messages leave in one write, before the server has said anything", () => {
  const pair = new Pair(makeFramed);
  pair.client.send("one");
  pair.client.send("two");
  pair.client.flush();
  assert.equal(pair.client.host.writes.length, 1);
  assert.deepEqual(describe(pair.client.host.written), ["HELLO", 'OPEN+END 1 "one"', 'OPEN+END 3 "two"']);
});

test("a server says nothing before the client's greeting", () => {
  const pair = new Pair(makeFramed);
  assert.equal(pair.server.flush(), false);
  assert.equal(pair.server.host.writes.length, 0);
});

test("a small message is exactly one frame each way", () => {
  const pair = connect();
  pair.client.send("hello");
  pair.client.flush();
  assert.deepEqual(describe(pair.client.host.written), ['OPEN+END 1 "hello"']);
  pair.settle();
  pair.server.session.reply(pair.server.host.exchanges[0]!, "world");
  pair.server.flush();
  assert.deepEqual(describe(pair.server.host.written), ['DATA+END 1 "world"']);
});

test("everything of one turn leaves in one write, in the order of sending", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1_000 } } });
  const bodies = Array.from({ length: 500 }, (_, index) => `${index}`);
  for (const body of bodies) pair.client.send(body);
  pair.client.flush();
  assert.equal(pair.client.host.writes.length, 1);
  pair.settle();
  assert.deepEqual(
    pair.server.host.exchanges.map(({ message }) => message?.text()),
    bodies,
  );
});

test("mixed sizes keep their bytes: copied, referenced and cut ones side by side", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1_000 } } });
  const sizes = [0, 1, 8_191, 8_192, 8_193, 65_536, 65_537, 131_072, 131_073, 262_144, 400_000, 3, 20_000];
  const requests = sizes.map((size, index) => pair.client.send(pattern(size, index)));
  pair.settle();
  for (const exchange of pair.server.host.exchanges) pair.server.session.reply(exchange, exchange.message!.bytes);
  pair.settle();
  for (const [index, request] of requests.entries()) {
    assert.equal(Buffer.compare(request.reply!.bytes, pattern(sizes[index]!, index)), 0, `size ${sizes[index]}`);
  }
});

test("texts of any width are measured in bytes", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1_000 } } });
  for (const text of ["é".repeat(2_730), "é".repeat(2_731), "€".repeat(70_000), "🎧".repeat(3_000), "\ud800"]) {
    const request = pair.client.send(text);
    pair.settle();
    pair.server.session.reply(pair.server.host.exchanges.at(-1)!, text);
    pair.settle();
    assert.equal(request.reply?.text(), Buffer.from(text).toString());
  }
});

test("texts that are wider than they are long keep their end, wherever they are put together", () => {
  const pair = connect({ server: { limits: { maxInFlight: 100 } } });
  for (const length of [2_730, 2_731, 8_000, 8_192]) {
    const text = "€".repeat(length);
    for (let index = 0; index < 30; index++) pair.client.send(text);
    pair.settle();
    const whole = pair.server.host.exchanges.filter(({ message }) => message?.text() === text);
    assert.equal(whole.length, 30);
    for (const exchange of whole) pair.server.session.reply(exchange, "");
    pair.settle();
  }
});

test("no frame of a large message is longer than 128 KiB, and the first declares its size", () => {
  const pair = connect();
  pair.client.send(pattern(1_000_000));
  pair.client.flush();
  const frames = framesOf(pair.client.host.written);
  assert.deepEqual(
    frames.map(({ type, flags }) => [type, flags]),
    [[TYPE.OPEN, 4], ...Array.from({ length: 6 }, () => [TYPE.DATA, 0]), [TYPE.DATA, 1]],
  );
  for (const { payload } of frames) assert.ok(payload.length / 2 <= 131_072, "a long piece");
  assert.equal(Buffer.from(frames[0]!.payload, "hex").readBigUInt64LE(0), 1_000_000n);
});

test("65,536 bytes are one frame without a size, one byte more says its size and is cut like any large message", () => {
  for (const [size, lines] of [
    [65_536, ["OPEN+END 1 of 65536"]],
    [65_537, ["OPEN+END+SIZE 1 of 65545"]],
    [131_040, ["OPEN+END+SIZE 1 of 131048"]],
    [131_041, ["OPEN+SIZE 1 of 131048", 'DATA+END 1 "\\u0000"']],
  ] as const) {
    const pair = connect();
    const body = pattern(size);
    body[131_040] = 0;
    pair.client.send(body);
    pair.client.flush();
    assert.deepEqual(describe(pair.client.host.written), lines);
  }
});

test("a small message passes a large one that was sent before it", () => {
  const pair = connect();
  pair.client.host.isWritable = false;
  pair.client.send(pattern(1_048_576));
  pair.client.flush();
  pair.client.send("small");
  pair.client.flush();
  pair.client.drain();
  pair.settle();
  assert.deepEqual(
    pair.server.host.exchanges.map(({ message }) => message?.byteLength),
    [5, 1_048_576],
  );
});

test("large messages take turns of 1 MiB, and one that is no longer is sent in one go", () => {
  const pair = connect();
  for (const size of [2_500_000, 1_048_576, 2_500_000]) pair.client.send(pattern(size));
  pair.client.flush();
  const turns: [exchange: number, bytes: number][] = [];
  for (const { exchange, payload } of framesOf(pair.client.host.written)) {
    const last = turns.at(-1);
    if (last?.[0] === Number(exchange)) last[1] += payload.length / 2;
    else turns.push([Number(exchange), payload.length / 2]);
  }
  assert.deepEqual(
    turns.map(([exchange]) => exchange),
    [1, 3, 5, 1, 5, 1, 5],
  );
  const [first] = turns;
  assert.equal(first![1] >= 1_048_576 && first![1] < 1_048_576 + 131_072, true, `a turn of ${first?.[1]} bytes`);
});

test("numbers rise on the wire, whatever is sent, cancelled and large", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1_000 } } });
  pair.client.host.isWritable = false;
  for (let index = 0; index < 20; index++) {
    const request = pair.client.send(index % 3 === 0 ? pattern(200_000) : "small");
    if (index % 4 === 1) pair.client.session.cancel(request, "CANCELLED");
    if (index % 5 === 2) pair.client.flush();
  }
  pair.client.drain();
  pair.settle();
  const ids = framesOf(pair.client.host.written)
    .filter(({ type }) => type === TYPE.OPEN)
    .map(({ exchange }) => Number(exchange));
  assert.deepEqual(
    ids,
    ids.map((_, index) => 2 * index + 1),
  );
});

test("a deadline travels as the time that is left", () => {
  const pair = new Pair(makeFramed);
  pair.client.send("now", pair.clock.now() + 500);
  pair.clock.advance(120);
  pair.client.flush();
  const frame = framesOf(pair.client.host.written)[1]!;
  assert.equal(frame.flags, 3);
  assert.equal(Buffer.from(frame.payload, "hex").readUInt32LE(0), 380);
});

test("a deadline in the past travels as 0, one beyond 49 days not at all", () => {
  const pair = new Pair(makeFramed);
  pair.client.send("late", pair.clock.now() - 5);
  pair.client.send("exact", pair.clock.now() + 0xffff_ffff);
  pair.client.send("far", pair.clock.now() + 0x1_0000_0000);
  pair.client.flush();
  const [, late, exact, far] = framesOf(pair.client.host.written);
  assert.equal(late?.payload.slice(0, 8), "00000000");
  assert.equal(exact?.payload.slice(0, 8), "ffffffff");
  assert.equal(far?.flags, 1);
});

test("what waits for the transport is not written twice, and its buffers stay as they are", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1_000 } } });
  for (let round = 0; round < 50; round++) {
    pair.client.host.isWritable = false;
    for (let index = 0; index < 5; index++) pair.client.send(`round ${round} message ${index}`);
    pair.client.flush();
    pair.client.send("meanwhile");
    pair.client.flush();
    pair.client.drain();
    pair.settle();
  }
  assert.equal(pair.server.host.exchanges.length, 300);
});

test("sessions that share an arena do not overwrite what another's transport still has", () => {
  const arena = new Arena();
  const [slow, quick] = [connect({ client: { arena } }), connect({ client: { arena } })];
  slow.client.host.isWritable = false;
  slow.client.send("a".repeat(1_000));
  slow.client.flush();
  for (let index = 0; index < 200; index++) quick.client.send("b".repeat(1_000));
  quick.client.flush();
  slow.client.drain();
  slow.settle();
  assert.equal(slow.server.host.exchanges[0]?.message?.text(), "a".repeat(1_000));
});

test("answers to pings that nobody reads stop the reading, and no more than that", () => {
  const pair = new Pair(makeFramed);
  pair.server.receive(greeting());
  pair.server.host.isWritable = false;
  pair.server.flush();
  const ping = frame(TYPE.PING, 0, 0, "12345678");
  pair.server.receive(Buffer.concat(Array.from({ length: 3_000 }, () => ping)));
  assert.equal(pair.server.session.isCongested, true);
  pair.server.drain();
  pair.server.flush();
  assert.equal(pair.server.session.isCongested, false);
});
