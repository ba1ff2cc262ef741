/** Messages that are lent: what passes on the wire, and who has which slab when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyMemory } from "../../src/session/body-memory.js";
import { LEAST_COPIED_BYTES, MOST_COPIED_BYTES } from "../../src/session/lending.js";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { BorrowingRequest, bytesOf, connect, replyLoan, saidBy, sendLoan, stateOf, take } from "./loans.js";

test("a loan is two frames without its bytes; its descriptor goes along the first time; and it comes back at once", () => {
  const { pair } = connect();
  const { client, server } = pair;
  for (const round of [1, 2]) {
    const sent = pattern(100_000, round);
    const request = sendLoan(client, sent);
    assert.deepEqual(saidBy(client), [`LEND ${2 * round + 1} slab 1 of 100000`, `OPEN+END ${2 * round + 1} ""`]);
    const hasDescriptor = client.host.descriptorsOf.get(client.host.writes[0]!) !== undefined;
    assert.equal(hasDescriptor, round === 1);
    pair.deliver(client, server);
    assert.deepEqual(saidBy(server), ["RETURN 1"]);
    const exchange = server.host.exchanges.shift();
    assert.ok(bytesOf(exchange).equals(sent));
    server.session.reply(exchange!, "ok");
    pair.settle();
    assert.equal(request.outcome, "reply ok");
  }
  assert.equal(client.slabs?.made.length, 1);
});

test("a reply may be a loan: copied, or where it is until it is disposed of", () => {
  const { pair } = connect();
  const { client, server } = pair;
  const bytes = pattern(70_000);
  const requests = [new FakeRequest("a"), new BorrowingRequest("b")];
  for (const request of requests) client.session.send(request);
  pair.settle();
  for (const exchange of server.host.exchanges) replyLoan(server, exchange, bytes);
  pair.settle();
  for (const { reply } of requests) assert.ok(Buffer.from(reply?.bytes ?? "").equals(bytes));
  const [copied, borrowed] = requests.map(({ reply }) => reply);
  const states = () => server.slabs?.made.map((_, index) => stateOf(server, index + 1));
  assert.deepEqual(states(), ["free", "lent"]);
  assert.ok(client.rest(), "a client rests although it reads a loan");
  borrowed?.[Symbol.dispose]();
  borrowed?.[Symbol.dispose]();
  pair.settle();
  assert.deepEqual(states(), ["free", "free"]);
  assert.throws(() => borrowed?.text(), { code: "INVALID_ARGUMENT" });
  copied?.[Symbol.dispose]();
  assert.ok(Buffer.from(copied?.bytes ?? "").equals(bytes));
});

test("a server that borrows reads where it is, until the handler has settled", () => {
  const bodies = new BodyMemory();
  const { pair } = connect({ bodies });
  const { client, server } = pair;
  const sent = pattern(100_000);
  sendLoan(client, sent);
  pair.settle();
  const exchange = server.host.exchanges.shift()!;
  assert.equal(exchange.message?.bytes.buffer, client.slabs?.made[0]?.bytes.buffer);
  assert.ok(bytesOf(exchange).equals(sent));
  assert.equal(stateOf(client, 1), "lent");
  const part = exchange.message!.bytes.subarray(10);
  const reply = bodies.takeBack(exchange.message!, part);
  // A part of what is not this side's memory any more has to be a copy.
  assert.notEqual((reply as Uint8Array).buffer, part.buffer);
  server.session.reply(exchange, reply);
  pair.settle();
  assert.equal(stateOf(client, 1), "free");
});

test("a slab that is not given back is not used; those who need one take another, or none where there is no place", () => {
  const { pair } = connect({ bodies: new BodyMemory() });
  const { client, server } = pair;
  client.slabs!.freeBytes = 3 * 65_536;
  for (const seed of [1, 2, 3]) sendLoan(client, pattern(50_000, seed));
  assert.equal(client.slabs?.loans?.lending.take(1), undefined);
  pair.settle();
  for (const [index, exchange] of server.host.exchanges.entries()) {
    assert.ok(bytesOf(exchange).equals(pattern(50_000, index + 1)));
    exchange.message?.[Symbol.dispose]();
  }
  pair.settle();
  assert.equal(client.slabs?.loans?.lending.take(1)?.state, "held");
});

test("free slabs that are too small make room for one that is not, and the other side lets them go", () => {
  const { pair, memory } = connect();
  const { client } = pair;
  client.slabs!.freeBytes = 4 * 65_536;
  const small = [take(client, 1), take(client, 65_536)];
  sendLoan(client, pattern(60_000), small[0]);
  pair.settle();
  small[1]?.release();
  assert.equal(memory.mapped, 3);
  const large = take(client, 3 * 65_536);
  assert.deepEqual(saidBy(client), ["RETIRE 1"]);
  pair.settle();
  assert.deepEqual([memory.mapped, memory.files.size], [1, 1]);
  assert.deepEqual(
    small.map(({ state }) => state),
    ["gone", "gone"],
  );
  large.release();
  assert.equal(take(client, 1), large);
});

test("a loan of another connection, or with descriptors, goes as any other message", () => {
  const { pair } = connect();
  const other = connect().pair.client;
  const bytes = pattern(100_000);
  const foreign = take(other, bytes.length);
  sendLoan(pair.client, bytes, foreign);
  assert.equal(foreign.state, "free");
  assert.match(saidBy(pair.client)[0] ?? "", /^OPEN\+END\+SIZE 3 of/);
  pair.settle();
  assert.ok(bytesOf(pair.server.host.exchanges.shift()).equals(bytes));
  const own = take(pair.client, bytes.length);
  const request = new FakeRequest("");
  request.descriptors = [7];
  sendLoan(pair.client, bytes, own, request);
  // This server takes none.
  assert.deepEqual([request.outcome, own.state], ["UNSUPPORTED unsent", "free"]);
});

test("large messages are copied to a slab where that is worth it, between its bounds, to who takes them whole", () => {
  const { pair } = connect();
  const { client, server } = pair;
  const lends = (bytes: number): boolean => {
    client.send(Buffer.alloc(bytes));
    const said = saidBy(client);
    pair.settle();
    for (const exchange of server.host.exchanges.splice(0)) server.session.reply(exchange, "");
    pair.settle();
    return said[0]?.startsWith("LEND") === true;
  };
  assert.equal(lends(1_048_576), false);
  client.slabs!.isWorthCopying = true;
  const sizes = [LEAST_COPIED_BYTES - 1, LEAST_COPIED_BYTES, 1_048_576];
  assert.deepEqual(sizes.map(lends), [false, true, true]);
  assert.deepEqual(
    [MOST_COPIED_BYTES, MOST_COPIED_BYTES + 1].map((bytes) => bytes <= 4_194_304),
    [false, false],
  );
  const streaming = connect({ limits: { takesStreams: true }, hello: { features: ["loans"] } }).pair;
  streaming.client.slabs!.isWorthCopying = true;
  streaming.client.send(Buffer.alloc(1_048_576));
  assert.match(saidBy(streaming.client)[0] ?? "", /^OPEN\+SIZE/);
});

test("who takes streams gets a loan whole, as it gets what fits one frame", () => {
  const { pair } = connect({ limits: { takesStreams: true } });
  const sent = pattern(100_000);
  sendLoan(pair.client, sent);
  pair.settle();
  assert.ok(bytesOf(pair.server.host.exchanges.shift()).equals(sent));
  const asked = pair.client.ask("?");
  pair.settle();
  replyLoan(pair.server, pair.server.host.exchanges.shift()!, sent);
  pair.settle();
  assert.equal(asked.outcome, "reply of 100000");
});

test("a reply that nobody wants any more is not lent", () => {
  const { pair } = connect();
  const { client, server } = pair;
  const asked = client.ask("?");
  pair.settle();
  server.host.isWritable = false;
  server.session.reply(server.host.exchanges.shift()!, "");
  pair.settle();
  client.session.send(new FakeRequest("another"));
  const again = client.ask("again");
  pair.settle();
  const [, exchange] = server.host.exchanges.splice(0);
  replyLoan(server, exchange!, pattern(90_000));
  client.session.stop(again);
  pair.settle();
  server.drain();
  pair.settle();
  assert.equal(stateOf(server, 1), "free");
  assert.equal(asked.outcome, "reply ");
});

test("a message that is copied begins its journey before the next one is copied", () => {
  const { pair } = connect();
  pair.client.slabs!.isWorthCopying = true;
  for (let count = 0; count < 3; count++) pair.client.send(Buffer.alloc(300_000));
  pair.client.flush();
  assert.equal(pair.client.host.writes.length, 3);
});
