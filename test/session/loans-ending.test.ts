/** Loans that are given up, refused, forgotten, or whose connection is lost: all of them come back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyMemory } from "../../src/session/body-memory.js";
import { pattern } from "../support/bytes.js";
import { BorrowingRequest, bytesOf, connect, replyLoan, saidBy, sendLoan, stateOf, take } from "./loans.js";
import { slabFrame, TYPE } from "./raw.js";

test("a request that is given up before it begins gives its slab back; after that, the other side does", () => {
  const { pair } = connect({ bodies: new BodyMemory() });
  const { client, server } = pair;
  client.host.isWritable = false;
  const first = client.send("something that is held up");
  client.flush();
  const request = sendLoan(client, pattern(70_000));
  client.session.cancel(request, "CANCELLED");
  assert.deepEqual([request.outcome, stateOf(client, 1)], ["CANCELLED unsent", "free"]);
  client.drain();
  pair.settle();
  const begun = sendLoan(client, pattern(70_000));
  pair.settle();
  client.session.cancel(begun, "CANCELLED");
  pair.settle();
  assert.equal(stateOf(client, 1), "lent");
  server.host.exchanges.at(-1)?.message?.[Symbol.dispose]();
  pair.settle();
  assert.equal(stateOf(client, 1), "free");
  assert.equal(first.outcome, "");
});

test("what no handler gets is given back: too large, to a server that closes, or beyond its places", () => {
  const { pair } = connect({ bodies: new BodyMemory(), limits: { maxMessageBytes: 100_000, maxInFlight: 2 } });
  const { client, server } = pair;
  // As if the server had not said so.
  (client.session as unknown as { restingMemory: { peerMaxMessageBytes: number } }).restingMemory.peerMaxMessageBytes =
    2 ** 40;
  const tooLarge = sendLoan(client, pattern(100_001));
  pair.settle();
  assert.deepEqual([tooLarge.outcome, stateOf(client, 1)], ["MESSAGE_TOO_LARGE unknown", "free"]);
  const handled = client.send("keeps the only place");
  pair.settle();
  server.session.close("CONNECTION_CLOSED", "");
  server.flush();
  const late = sendLoan(client, pattern(90_000));
  client.flush();
  pair.deliver(client, server);
  assert.deepEqual(saidBy(server).slice(-1), ["RETURN 1"]);
  assert.deepEqual([handled.outcome, late.outcome], ["", ""]);
});

test("a reply to a request that was given up meanwhile is given back", () => {
  const { pair } = connect();
  const { client, server } = pair;
  const request = new BorrowingRequest("x");
  client.session.send(request);
  pair.settle();
  replyLoan(server, server.host.exchanges.shift()!, pattern(80_000));
  server.flush();
  client.session.cancel(request, "CANCELLED");
  pair.settle();
  assert.equal(stateOf(server, 1), "free");
});

test("when the connection is lost everything goes but what somebody still holds, and that when it is given back", () => {
  const { pair, memory } = connect({ bodies: new BodyMemory() });
  const { client, server } = pair;
  const held = take(client, 100_000);
  sendLoan(client, pattern(60_000));
  sendLoan(client, pattern(70_000));
  pair.settle();
  server.host.exchanges[0]?.message?.[Symbol.dispose]();
  client.lose();
  server.lose();
  // One held here, and one read there.
  assert.equal(memory.mapped, 2);
  assert.ok(bytesOf(server.host.exchanges[1]).equals(pattern(70_000)));
  server.host.exchanges[1]?.message?.[Symbol.dispose]();
  held.release();
  assert.deepEqual([memory.mapped, memory.files.size], [0, 0]);
});

test("what is forgotten is given back", () => {
  const { pair } = connect({ bodies: new BodyMemory() });
  const { client, server } = pair;
  const slab = take(client, 70_000);
  slab.show(70_000);
  client.slabs?.made[0]?.forget();
  assert.equal(slab.state, "free");
  sendLoan(client, pattern(70_000));
  pair.settle();
  server.slabs?.opened[0]?.forget();
  pair.settle();
  assert.equal(stateOf(client, 1), "free");
});

test("who gives back what it has not is cut", () => {
  for (const state of ["free", "held"] as const) {
    const { pair } = connect();
    const slab = take(pair.client, 70_000);
    if (state === "free") slab.release();
    pair.client.receive(slabFrame(TYPE.RETURN, slab.number));
    assert.match(pair.client.host.error?.message ?? "", /RETURN of slab 1, which is not lent/);
  }
});

test("a reply that was not wanted before it was there is not lent", () => {
  const { pair } = connect();
  const { client, server } = pair;
  const asked = client.ask("?");
  pair.settle();
  client.session.stop(asked);
  pair.settle();
  replyLoan(server, server.host.exchanges.shift()!, pattern(90_000));
  pair.settle();
  assert.deepEqual([stateOf(server, 1), client.host.error, server.host.error], ["free", undefined, undefined]);
});

test("a message that waits for its handler is given back when its caller gives up", () => {
  const { pair } = connect({ bodies: new BodyMemory(), limits: { maxInFlight: 1 }, hello: { features: ["loans"] } });
  const { client, server } = pair;
  server.host.exchanges.length = 0;
  // As if the server took two at a time, and handled one.
  (client.session as unknown as { restingMemory: { peerMaxInFlight: number } }).restingMemory.peerMaxInFlight = 2;
  client.send("keeps the only place");
  const waiting = sendLoan(client, pattern(70_000));
  pair.settle();
  assert.deepEqual([server.host.exchanges.length, stateOf(client, 1)], [1, "lent"]);
  client.session.cancel(waiting, "CANCELLED");
  pair.settle();
  assert.equal(stateOf(client, 1), "free");
});
