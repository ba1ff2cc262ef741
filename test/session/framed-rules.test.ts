import assert from "node:assert/strict";
import { test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import { makeFramed, Pair, type Role } from "./pair.js";
import { DEADLINE, describe, END, frame, goAway, greeting, hello, open, reset, SIZE, TYPE } from "./raw.js";

const data = (exchange: number, flags = END, body: Uint8Array | string = "x") =>
  frame(TYPE.DATA, flags, exchange, body);
const sized = (type: number, flags: number, exchange: number, size: number, body: string) => {
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(BigInt(size));
  return frame(type, flags | SIZE, exchange, Buffer.concat([field, Buffer.from(body)]));
};
const wrongVersion = { versions: [2, 3] };
const gap = Buffer.alloc(3);

/** What a raw other side sends after its greeting, what that is called, and what the session says to it. */
const VIOLATIONS: readonly (readonly [Role, string, readonly Buffer[], RegExp])[] = [
  ["server", "a second HELLO", [hello()], /second HELLO/],
  ["client", "a second HELLO", [hello()], /second HELLO/],
  ["client", "an exchange that the server begins", [open(2)], /server began/],
  ["server", "an even exchange", [open(2)], /exchange 2 is out of turn/],
  ["server", "exchange 0", [open(0)], /exchange 0 is out of turn/],
  ["server", "an exchange that was used before", [open(3), open(3)], /exchange 3 is out of turn/],
  ["server", "an exchange below the last", [open(5), open(3)], /exchange 3 is out of turn/],
  ["server", "DATA for an exchange that was not opened", [data(1)], /not opened/],
  ["server", "DATA after the end", [open(1), data(1)], /after the end of exchange 1/],
  ["client", "an answer to nothing", [data(3)], /answer to exchange 3/],
  ["server", "a RESET of nothing", [reset(1, 1)], /reset of exchange 1/],
  ["client", "a RESET of nothing", [reset(3, 1)], /reset of exchange 3/],
  ["server", "a RESET of 3 bytes", [open(1), frame(TYPE.RESET, 0, 1, gap)], /fewer than 4 bytes/],
  ["client", "a GOAWAY of 3 bytes", [frame(TYPE.GOAWAY, 0, 1, gap)], /fewer than 4 bytes/],
  ["server", "a PING of 7 bytes", [frame(TYPE.PING, 0, 0, "1234567")], /wrong length/],
  ["client", "a PONG of no bytes", [frame(TYPE.PONG, 0, 0)], /wrong length/],
  ["server", "a frame shorter than its deadline", [frame(TYPE.OPEN, END | DEADLINE, 1, gap)], /shorter than/],
  ["server", "a frame shorter than its size", [frame(TYPE.OPEN, END | SIZE, 1, gap)], /shorter than/],
  ["server", "one frame, longer than declared", [sized(TYPE.OPEN, END, 1, 2, "abc")], /longer than/],
  ["server", "one frame, shorter than declared", [sized(TYPE.OPEN, END, 1, 4, "abc")], /shorter than/],
  ["server", "pieces longer than declared", [sized(TYPE.OPEN, 0, 1, 4, "abc"), data(1, 0, "de")], /longer than/],
  ["server", "pieces shorter than declared", [sized(TYPE.OPEN, 0, 1, 5, "abc"), data(1, END, "d")], /shorter than/],
  ["server", "a size in a later frame", [frame(TYPE.OPEN, 0, 1, "a"), sized(TYPE.DATA, END, 1, 2, "b")], /later frame/],
  ["client", "a reply longer than declared", [sized(TYPE.DATA, 0, 1, 1, "ab")], /longer than/],
  ["client", "a size in a later frame", [data(1, 0), sized(TYPE.DATA, END, 1, 2, "b")], /later frame/],
  ["server", "a type that is neither known nor optional", [frame(0x0e, 0, 0)], /unknown type 14/],
  ["server", "a flag that OPEN has and DATA has not", [open(1), frame(TYPE.DATA, END | 0x10, 1)], /unknown flags 17/],
  ["server", "a flag on a type that has none", [open(1), frame(TYPE.STOP, END, 1)], /unknown flags 1/],
];

/** A session that has greeted and been greeted; a client has exchange 1 under way. */
function greeted(role: Role): Pair {
  const pair = new Pair(makeFramed);
  if (role === "client") pair.client.send();
  pair[role].flush();
  pair[role].receive(greeting());
  pair[role].flush();
  pair[role].host.takeWrites();
  return pair;
}

for (const [role, what, bytes, reason] of VIOLATIONS) {
  test(`a ${role} cuts the connection at ${what}, and says why`, () => {
    const pair = greeted(role);
    const { host } = pair[role];
    pair[role].receive(...bytes);
    pair[role].flush();
    assert.equal(host.error?.code, "PROTOCOL_VIOLATION");
    assert.match(host.error?.message ?? "", reason);
    const last = role === "client" ? 0 : host.exchanges.length > 0 ? Number(host.exchanges.at(-1)?.id) : undefined;
    assert.match(describe(host.written).at(-1) ?? "", new RegExp(`^GOAWAY ${last ?? "\\d+"} VIOLATION$`));
  });
}

for (const [what, bytes, reason] of [
  ["something that is no preface", Buffer.from("GET / HTTP/1.1\r\n"), /preface/],
  ["a preface with one wrong byte", Buffer.concat([greeting().subarray(0, 7), Buffer.from("x")]), /preface/],
  ["a message before HELLO", Buffer.concat([greeting().subarray(0, 8), open(1)]), /before HELLO/],
  ["an optional frame before HELLO", Buffer.concat([greeting().subarray(0, 8), frame(0x80, 0, 0)]), /before HELLO/],
  ["a HELLO that is no JSON", Buffer.concat([greeting().subarray(0, 8), frame(TYPE.HELLO, 0, 0, "{")]), /not JSON/],
] as const) {
  for (const role of ["server", "client"] as const) {
    test(`a ${role} cuts a connection that begins with ${what}`, () => {
      const pair = new Pair(makeFramed);
      pair[role].receive(bytes);
      pair[role].flush();
      assert.equal(pair[role].host.error?.code, "PROTOCOL_VIOLATION");
      assert.match(pair[role].host.error?.message ?? "", reason);
      assert.deepEqual(describe(pair[role].host.written), ["HELLO", "GOAWAY 0 VIOLATION"]);
    });
  }
}

test("optional frames and flags are passed over", () => {
  const pair = greeted("server");
  const optional = frame(0x80, 0xff, 2 ** 53 - 1, "whatever".repeat(1_000));
  pair.server.receive(optional, frame(TYPE.OPEN, END | 0xc0, 1, "hello"), optional, frame(0xff, 0, 0));
  assert.deepEqual(pair.server.host.events.slice(1), ['exchange 1 "hello"']);
  assert.equal(pair.server.host.isAborted, false);
});

test("a session that has cut the connection reads and writes nothing more", () => {
  const pair = greeted("server");
  pair.server.receive(open(2));
  const { events, writes } = pair.server.host;
  const seen = [events.length, writes.length];
  pair.server.session.receive(open(1));
  pair.server.session.receiveEnd();
  pair.server.session.tick(Number.MAX_SAFE_INTEGER);
  pair.server.session.flush();
  pair.server.session.close("CONNECTION_CLOSED", "");
  assert.deepEqual([events.length, writes.length], seen);
  assert.equal(pair.server.session.nextDeadline, Infinity);
});

for (const role of ["server", "client"] as const) {
  test(`a ${role} that meets another version says so, to its own side and to the other`, () => {
    const pair = new Pair(makeFramed);
    if (role === "client") pair.client.send();
    pair[role].flush();
    pair[role].receive(greeting(wrongVersion));
    pair[role].flush();
    const { host } = pair[role];
    assert.equal(host.error?.code, "VERSION_MISMATCH");
    assert.match(host.error?.message ?? "", /speaks protocol 1, the other 2 to 3; upgrade this side/);
    assert.equal(describe(host.written).at(-1), "GOAWAY 0 VERSION");
    assert.deepEqual(host.hellos, []);
  });
}

test("an old other side is told to upgrade", () => {
  const pair = new Pair(makeFramed);
  pair.server.receive(greeting({ versions: [0, 0] }));
  assert.match(pair.server.host.error?.message ?? "", /the other 0; upgrade the other side/);
});

test("a range that includes this version will do", () => {
  const pair = new Pair(makeFramed);
  pair.server.receive(greeting({ versions: [0, 7] }), open(1));
  assert.equal(pair.server.host.exchanges.length, 1);
});

test("an application that is not accepted is told why, and its messages are surely unsent", () => {
  const objection = () => "this side is app 2.0, the other is app 1.0";
  const pair = new Pair(makeFramed, { server: { objection }, client: { app: { name: "app", version: "1.0" } } });
  const requests = [pair.client.send("one"), pair.client.send("two")];
  pair.settle();
  assert.deepEqual(pair.server.host.events, ["abort VERSION_MISMATCH"]);
  assert.equal(pair.client.host.events[1], "closing VERSION_MISMATCH");
  for (const { outcome, fact } of requests) {
    assert.equal(outcome, "VERSION_MISMATCH unsent");
    assert.equal(fact, "this side is app 2.0, the other is app 1.0");
  }
});

test("a server without a place greets, refuses, and the messages are surely unsent", () => {
  const refusal = new EarshotError("OVERLOADED", "the server has all the connections that it takes");
  const pair = new Pair(makeFramed, { server: { refusal } });
  const request = pair.client.send();
  pair.settle();
  assert.equal(request.outcome, "OVERLOADED unsent");
  assert.deepEqual(pair.server.host.events, ["abort OVERLOADED"]);
});

test("a refusal is read even when it comes instead of a HELLO", () => {
  const pair = new Pair(makeFramed);
  const request = pair.client.send();
  pair.client.flush();
  pair.client.receive(greeting().subarray(0, 8), goAway(0, 5, "no place"));
  assert.equal(request.outcome, "OVERLOADED unsent");
});

test("the other side's HELLO arrives as it was sent", () => {
  const app = { name: "überapp", version: "1.2.3" };
  const pair = new Pair(makeFramed, { client: { app, limits: { maxMessageBytes: 77, maxInFlight: 5 } } }).settle();
  const [seen] = pair.server.host.hellos;
  assert.deepEqual(seen, {
    versions: [1, 1],
    features: [],
    limits: { maxMessageBytes: 77, maxInFlight: 5 },
    app,
  });
});
