import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange } from "../../src/session/session.js";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { type End, makeFramed, Pair } from "./pair.js";
import { frame, open, TYPE } from "./raw.js";

const LIMITS = { maxMessageBytes: 4_194_304, maxInFlight: 4, maxDescriptors: 4 };

/** Two sides that take four descriptors with a message, and have greeted. */
function connect(): Pair {
  return new Pair(makeFramed, {
    client: { hello: { limits: LIMITS } },
    server: { hello: { limits: LIMITS } },
  }).settle();
}

function sendWith(end: End, body: string | Uint8Array, ...descriptors: number[]): FakeRequest {
  const request = new FakeRequest(body);
  request.descriptors = descriptors;
  end.session.send(request);
  return request;
}

/** Carries everything over, each write with its descriptors, cut so that they come with its first byte. */
function carry(from: End, to: End): void {
  from.flush();
  let at = 0;
  for (const bytes of from.host.takeWrites()) {
    const sent = from.host.sentDescriptors.filter((one) => one.at === at);
    to.session.receive(Buffer.from(bytes.subarray(0, 1)), sent[0]?.descriptors.slice());
    for (let offset = 1; offset < bytes.length; offset += 1_000) {
      to.session.receive(Buffer.from(bytes.subarray(offset, offset + 1_000)));
    }
    at += bytes.length;
  }
  from.host.sentDescriptors.length = 0;
}

function announcing(count: number, ...args: Parameters<typeof frame>): Buffer {
  const bytes = Buffer.from(frame(...args));
  bytes[2] = count;
  return bytes;
}

test("descriptors meet their message, whatever else is under way, small or large, both ways", () => {
  const pair = connect();
  const requests = [
    sendWith(pair.client, "none"),
    sendWith(pair.client, "two", 10, 11),
    sendWith(pair.client, "one", 12),
    sendWith(pair.client, pattern(400_000), 13, 14, 15),
  ];
  carry(pair.client, pair.server);
  const { exchanges } = pair.server.host;
  assert.deepEqual(
    exchanges.map(({ received }) => received),
    [[], [10, 11], [12], [13, 14, 15]],
  );
  for (const [index, exchange] of exchanges.entries()) {
    const body = index === 0 ? pattern(300_000) : `reply ${index}`;
    pair.server.session.reply(exchange, body, index === 1 ? [] : [20 + index]);
  }
  carry(pair.server, pair.client);
  assert.deepEqual(
    requests.map(({ received }) => received),
    [[20], [], [22], [23]],
  );
  assert.deepEqual([pair.client.host.closed, pair.server.host.closed], [[], []]);
  assert.equal(pair.server.session.isIdle && pair.client.session.isIdle, true);
});

test("a write with descriptors begins with their frame, and there is one such frame in it", () => {
  const pair = connect();
  sendWith(pair.client, "a");
  sendWith(pair.client, "b", 1);
  sendWith(pair.client, "c");
  sendWith(pair.client, "d", 2);
  pair.client.flush();
  const writes = pair.client.host.takeWrites();
  assert.deepEqual(
    writes.map((bytes) => [bytes[2], bytes.includes("a"), bytes.includes("c")]),
    [
      [0, true, false],
      [1, false, true],
      [1, false, false],
    ],
  );
});

test("before the greeting a message with descriptors waits, and keeps its place", () => {
  const pair = new Pair(makeFramed, { server: { hello: { limits: LIMITS } } });
  sendWith(pair.client, "first");
  sendWith(pair.client, "second", 1);
  sendWith(pair.client, "third");
  carry(pair.client, pair.server);
  assert.deepEqual(
    pair.server.host.exchanges.map(({ message }) => message?.text()),
    ["first"],
  );
  carry(pair.server, pair.client);
  carry(pair.client, pair.server);
  assert.deepEqual(
    pair.server.host.exchanges.map(({ message }) => message?.text()),
    ["first", "second", "third"],
  );
});

test("what the other side does not take is refused before it leaves, and closed here", () => {
  const none = new Pair(makeFramed).settle();
  assert.equal(sendWith(none.client, "x", 1).outcome, "UNSUPPORTED unsent");
  const four = connect();
  assert.equal(sendWith(four.client, "x", 1, 2, 3, 4, 5).outcome, "MESSAGE_TOO_LARGE unsent");
  assert.deepEqual([none.client.host.closed, four.client.host.closed], [[1], [1, 2, 3, 4, 5]]);
  const early = new Pair(makeFramed);
  const requests = Array.from({ length: 5_000 }, (_, index) => sendWith(early.client, "x", index));
  early.settle();
  assert.equal(new Set(requests.map(({ outcome }) => outcome)).size, 1);
  assert.equal(early.client.host.closed.length, 5_000);
});

test("a reply with descriptors to a caller that takes none, or too many, fails its message", () => {
  for (const [limits, descriptors, expected] of [
    [{ ...LIMITS, maxDescriptors: 0 }, [1], "UNSUPPORTED unknown"],
    [LIMITS, [1, 2, 3, 4, 5], "MESSAGE_TOO_LARGE unknown"],
  ] as const) {
    const pair = new Pair(makeFramed, { client: { hello: { limits } } }).settle();
    const request = pair.client.send();
    pair.settle();
    pair.server.session.reply(pair.server.host.exchanges[0]!, "x", descriptors);
    pair.settle();
    assert.equal(request.outcome, expected);
    assert.deepEqual(pair.server.host.closed, descriptors);
  }
});

const STRAYS: readonly [what: string, receive: (server: End) => void, closed: readonly number[], reason: RegExp][] = [
  ["that no frame announces", ({ session }) => session.receive(open(1), [7]), [7], /belong to no frame/],
  [
    "that are fewer than announced",
    ({ session }) => session.receive(announcing(2, TYPE.OPEN, 1, 1, "x"), [7]),
    [7],
    /lacks 1 descriptors/,
  ],
  [
    "that are more than this side takes",
    ({ session }) => session.receive(announcing(5, TYPE.OPEN, 1, 1, "x"), [1, 2, 3, 4, 5]),
    [1, 2, 3, 4, 5],
    /5 descriptors, of which this side takes 4/,
  ],
  [
    "on a later frame",
    ({ session }) => session.receive(Buffer.concat([frame(TYPE.OPEN, 0, 1, "x"), announcing(1, TYPE.DATA, 1, 1)]), [7]),
    [7],
    /a later frame/,
  ],
  [
    "on a frame that has none",
    ({ session }) => session.receive(announcing(1, TYPE.PING, 0, 0, "12345678"), [7]),
    [7],
    /type 5 with descriptors/,
  ],
];
for (const [what, receive, closed, reason] of STRAYS) {
  test(`descriptors ${what} are a violation, and closed`, () => {
    const pair = connect();
    receive(pair.server);
    pair.server.lose();
    assert.match(pair.server.host.error?.message ?? "", reason);
    assert.deepEqual(pair.server.host.closed, closed);
  });
}

test("descriptors of messages that never reach a handler are closed, those that did are the handler's", () => {
  const pair = connect();
  const exchanges: Exchange[] = pair.server.host.exchanges;
  for (let index = 0; index < 4; index++) sendWith(pair.client, "handled", 10 + index);
  pair.client.session.cancel(sendWith(pair.client, "never leaves", 20), "CANCELLED");
  assert.deepEqual(pair.client.host.closed, [20]);
  carry(pair.client, pair.server);
  assert.equal(exchanges.length, 4);
  pair.server.session.receive(announcing(1, TYPE.OPEN, 1, 101, "waits for its turn"), [30]);
  pair.server.session.receive(announcing(1, TYPE.OPEN, 0, 103, "half"), [31]);
  pair.server.session.receive(announcing(1, TYPE.OPEN, 1, 105, "").subarray(0, 3), [32]);
  pair.server.lose();
  assert.deepEqual(pair.server.host.closed.toSorted(), [30, 31, 32]);
});

test("answers that nobody waits for any more close what they bring", () => {
  const pair = connect();
  const request = pair.client.send();
  pair.settle();
  pair.client.session.cancel(request, "CANCELLED");
  pair.client.session.receive(announcing(1, TYPE.DATA, 1, 1, "late"), [7]);
  assert.deepEqual(pair.client.host.closed, [7]);
  pair.settle();
  pair.server.session.reply(pair.server.host.exchanges[0]!, "late", [8]);
  assert.deepEqual(pair.server.host.closed, [8]);
});

test("a connection with very many descriptors in hand is not read until handlers settle", () => {
  const limits = { ...LIMITS, maxDescriptors: 253, maxInFlight: 100 };
  const pair = new Pair(makeFramed, { server: { limits, hello: { limits } } }).settle();
  for (let index = 0; index < 3; index++) {
    const descriptors = Array.from({ length: 200 }, (_, fd) => index * 200 + fd);
    pair.server.session.receive(announcing(200, TYPE.OPEN, 1, 1 + 2 * index, "x"), descriptors);
  }
  assert.equal(pair.server.session.isCongested, true);
  pair.server.session.reply(pair.server.host.exchanges[0]!, "done");
  pair.server.flush();
  assert.equal(pair.server.session.isCongested, false);
});
