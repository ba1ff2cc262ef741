import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { makeFramed, Pair } from "./pair.js";
import { credit, describe, END, frame, framesOf, greeting, open, SIZE, TYPE, WINDOW } from "./raw.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll, streamClient, streamServer } from "./streams.js";

const FIRST = 65_536;
const window = (bytes: number) => {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(bytes);
  return field;
};
/** How many bytes of message or reply have left, without fields. */
function bodyBytes(bytes: Buffer, fieldBytes = 0): number {
  const data = framesOf(bytes).filter(({ type }) => type === TYPE.OPEN || type === TYPE.DATA);
  return data.reduce((sum, { payload }) => sum + payload.length / 2, 0) - fieldBytes;
}

test("of a stream exactly the first window leaves, and then exactly what is granted", () => {
  const { client } = streamClient();
  const request = client.sendStream();
  request.outgoing.write(pattern(300_000));
  client.flush();
  assert.equal(bodyBytes(client.host.written), FIRST);
  assert.equal(client.session.heldBytes, 300_000 - FIRST);
  client.receive(credit(1, 0));
  client.flush();
  assert.equal(bodyBytes(client.host.written), FIRST);
  client.receive(credit(1, 1));
  client.flush();
  assert.equal(bodyBytes(client.host.written), FIRST + 1);
  client.receive(credit(1, 100_000), credit(1, 34_463));
  client.flush();
  assert.equal(bodyBytes(client.host.written), 200_000);
  client.receive(credit(1, 100_000));
  client.flush();
  assert.equal(bodyBytes(client.host.written), 300_000);
  assert.equal(describe(client.host.written).at(-1)?.startsWith("DATA 1 "), true, "no end was written");
  request.outgoing.end();
  client.flush();
  assert.equal(describe(client.host.written).at(-1), 'DATA+END 1 ""');
});

test("an end without bytes needs no credit", () => {
  const { client } = streamClient();
  const request = client.sendStream();
  request.outgoing.write(pattern(FIRST));
  client.flush();
  request.outgoing.end();
  client.flush();
  assert.deepEqual(describe(client.host.written), ["OPEN 1 of 65536", 'DATA+END 1 ""']);
});

test("a whole message of more than 65,536 bytes keeps to the credit of a server that takes streams", () => {
  const { client } = streamClient();
  const request = client.send(pattern(200_000));
  client.flush();
  assert.deepEqual(describe(client.host.written), ["OPEN+SIZE 1 of 65544"]);
  client.receive(credit(1, 200_000));
  client.flush();
  assert.equal(bodyBytes(client.host.written, 8), 200_000);
  client.receive(frame(TYPE.DATA, END, 1, "done"));
  assert.equal(request.outcome, "reply done");
});

test("a whole message to a server that takes none is held back by the connection alone", () => {
  const { client } = streamClient({});
  client.send(pattern(1_000_000));
  client.flush();
  assert.equal(bodyBytes(client.host.written, 8), 1_000_000);
});

test("before the greeting 65,536 bytes of each leave; what the greeting says counts for them as well", () => {
  for (const [windowBytes, expected] of [
    [undefined, 300_000],
    [65_536, 65_536],
    [100_000, 100_000],
    [400_000, 300_000],
  ] as const) {
    const { client } = new Pair(makeFramed);
    const whole = client.send(pattern(300_000));
    const stream = client.sendStream();
    stream.outgoing.write(pattern(300_000));
    client.flush();
    const [hello = Buffer.alloc(0)] = client.host.takeWrites();
    assert.equal(bodyBytes(hello, 8), 2 * 65_536);
    client.receive(greeting({ versions: [1, 1], limits: { windowBytes, maxInFlight: 9 } }));
    client.flush();
    assert.equal(bodyBytes(client.host.written), 2 * (expected - 65_536));
    assert.equal(whole.outcome + stream.outcome, "");
  }
});

test("a reply keeps to the window of its message, and one that names none to the connection alone", () => {
  for (const [flags, field, expected] of [
    [END, "", 1_000_000],
    [END | WINDOW, window(FIRST), FIRST],
    [END | WINDOW, window(0xffff_ffff), 1_000_000],
  ] as const) {
    for (const isWhole of [true, false]) {
      const { server } = streamServer();
      server.receive(frame(TYPE.OPEN, flags, 1, field));
      if (isWhole) server.session.reply(exchangeOf(server), pattern(1_000_000));
      else answerOf(server).write(pattern(1_000_000));
      server.flush();
      assert.equal(bodyBytes(server.host.written, isWhole ? 8 : 0), expected);
      server.receive(credit(1, 100_000));
      server.flush();
      assert.equal(bodyBytes(server.host.written, isWhole ? 8 : 0), Math.min(1_000_000, expected + 100_000));
    }
  }
});

test("credit that comes before the reply begins counts", () => {
  const { server } = streamServer();
  server.receive(frame(TYPE.OPEN, END | WINDOW, 1, window(FIRST)), credit(1, 10_000));
  server.session.reply(exchangeOf(server), pattern(1_000_000));
  server.flush();
  assert.equal(bodyBytes(server.host.written, 8), FIRST + 10_000);
});

test("huge sums of credit are only much credit", () => {
  const { client } = streamClient();
  const request = client.sendStream();
  request.outgoing.write(pattern(200_000));
  client.flush();
  client.receive(...Array.from({ length: 1_000 }, () => credit(1, 0xffff_ffff)));
  client.flush();
  assert.equal(bodyBytes(client.host.written), 200_000);
  assert.equal(client.host.isAborted, false);
});

for (const [what, id] of [
  ["was not opened", 3],
  ["is even", 2],
  ["is 0", 0],
] as const) {
  for (const type of ["WINDOW", "STOP", "DATA", "RESET"] as const) {
    test(`a ${type} of an exchange that ${what} is a violation on both sides`, () => {
      const payload = { WINDOW: Buffer.alloc(4), STOP: "", DATA: "x", RESET: Buffer.alloc(4) }[type];
      const bytes = frame(TYPE[type], 0, id, payload);
      const { client } = streamClient();
      client.send("hello");
      client.flush();
      client.receive(bytes);
      assert.equal(client.host.error?.code, "PROTOCOL_VIOLATION");
      const { server } = streamServer();
      server.receive(open(1), bytes);
      assert.equal(server.host.error?.code, "PROTOCOL_VIOLATION");
    });
  }
}

test("credit for an exchange that is over is passed over", () => {
  const { client } = streamClient();
  const request = client.ask();
  client.flush();
  client.session.cancel(request, "CANCELLED");
  client.receive(credit(1, 1));
  const { server } = streamServer();
  server.receive(open(1));
  server.session.reply(exchangeOf(server), "");
  server.flush();
  server.receive(credit(1, 1));
  assert.deepEqual([client.host.isAborted, server.host.isAborted], [false, false]);
});

for (const [how, pieces] of [
  ["in one frame of a stream", (bytes: number) => [frame(TYPE.OPEN, 0, 1, pattern(bytes))]],
  ["in two frames", (bytes: number) => [frame(TYPE.OPEN, 0, 1, "a"), frame(TYPE.DATA, 0, 1, pattern(bytes - 1))]],
  ["in one frame that is the whole message", (bytes: number) => [frame(TYPE.OPEN, END, 1, pattern(bytes))]],
] as const) {
  test(`a server takes exactly its window ${how}, and one byte more is a violation before it is there`, () => {
    const { server } = streamServer();
    server.receive(...pieces(FIRST));
    assert.equal(server.host.isAborted, false);
    assert.equal(server.session.heldBytes, FIRST);
    const over = streamServer().server;
    const bytes = Buffer.concat(pieces(FIRST + 1));
    over.receive(bytes.subarray(0, 100));
    assert.equal(over.host.error?.code, "PROTOCOL_VIOLATION");
    assert.match(over.host.error?.message ?? "", /more bytes of a message than this side has room for/);
  });
}

test("a client takes exactly its window of a reply, and one byte more is a violation", () => {
  for (const [bytes, code] of [
    [FIRST, undefined],
    [FIRST + 1, "PROTOCOL_VIOLATION"],
  ] as const) {
    for (const flags of [0, END]) {
      const { client } = streamClient();
      client.ask();
      client.flush();
      client.receive(frame(TYPE.DATA, flags, 1, pattern(bytes)));
      assert.equal(client.host.error?.code, code);
    }
  }
});

test("a server that takes streams does not count a reply's bytes, nor a client those of a message, against any window", () => {
  const pair = connectStreams();
  const request = pair.client.send(pattern(10));
  pair.settle();
  pair.server.session.reply(exchangeOf(pair.server), pattern(3_000_000));
  pair.settle();
  assert.equal(request.outcome, "reply of 3000000");
});

test("SIZE and stream agree, or it is a violation; and the reader knows it from the first byte on", () => {
  const sized = (declared: number, ...bodies: readonly string[]) => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(declared));
    return bodies.map((body, index) => {
      const flags = (index === 0 ? SIZE : 0) | (index === bodies.length - 1 ? END : 0);
      const payload = index === 0 ? Buffer.concat([size, Buffer.from(body)]) : body;
      return frame(index === 0 ? TYPE.OPEN : TYPE.DATA, flags, 1, payload);
    });
  };
  const exact = streamServer().server;
  exact.receive(...sized(5, "ab", "cde"));
  assert.equal(incomingOf(exact).sizeBytes, 5);
  assert.equal(readAll(incomingOf(exact)).toString(), "abcde");
  for (const [pieces, reason] of [
    [sized(4, "ab", "cde"), /longer than it says/],
    [sized(6, "ab", "cde"), /shorter than it says/],
    [sized(1, "ab", ""), /longer than it says/],
    [sized(0, "", "a"), /longer than it says/],
  ] as const) {
    const { server } = streamServer();
    server.receive(...pieces);
    assert.match(server.host.error?.message ?? "", reason);
  }
});
