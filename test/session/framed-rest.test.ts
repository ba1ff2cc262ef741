import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { makeFramed, Pair } from "./pair.js";
import { describe, frame, greeting, open, TYPE } from "./raw.js";

const connect = (options?: ConstructorParameters<typeof Pair>[1]) => new Pair(makeFramed, options).settle();

test("after a rest a connection goes on as if nothing had been: numbers, limits and greeting", () => {
  const pair = connect({ server: { limits: { maxMessageBytes: 1_000, maxInFlight: 2 } } });
  for (let round = 0; round < 3; round++) {
    const request = pair.client.send(`round ${round}`);
    pair.settle();
    pair.server.session.reply(pair.server.host.exchanges.at(-1)!, "done");
    pair.settle();
    assert.equal(request.outcome, "reply done");
    assert.deepEqual([pair.client.rest(), pair.server.rest()], [true, true]);
  }
  assert.equal(pair.client.send(pattern(1_001)).outcome, "MESSAGE_TOO_LARGE unsent");
  for (let index = 0; index < 3; index++) pair.client.send("burst");
  pair.client.flush();
  assert.deepEqual(describe(pair.client.host.written), ['OPEN+END 7 "burst"', 'OPEN+END 9 "burst"']);
  assert.deepEqual(pair.server.host.hellos.length, 1);
});

test("after a rest a number that was used before is out of turn, and so is a second HELLO", () => {
  for (const bytes of [open(1), frame(TYPE.HELLO, 0, 0, JSON.stringify({ versions: [1, 1] }))]) {
    const pair = connect();
    pair.client.send();
    pair.settle();
    pair.server.session.reply(pair.server.host.exchanges[0]!, "done");
    pair.settle();
    assert.equal(pair.server.rest(), true);
    pair.server.receive(bytes);
    assert.equal(pair.server.host.error?.code, "PROTOCOL_VIOLATION");
  }
});

test("after a rest a PONG that comes late settles no other ping", () => {
  const pair = connect();
  const late = new FakeRequest("", pair.clock.now() + 8);
  pair.client.session.ping(late);
  pair.client.flush();
  const ping = pair.client.host.takeWrites();
  pair.clock.advance(8);
  pair.client.tick();
  assert.equal(late.outcome, "TIMEOUT unsent");
  assert.equal(pair.client.rest(), true);
  const next = new FakeRequest("");
  pair.client.session.ping(next);
  pair.client.flush();
  pair.client.host.takeWrites();
  pair.server.receive(...ping);
  pair.server.flush();
  pair.deliver(pair.server, pair.client);
  assert.equal(next.outcome, "");
});

test("there is no rest before the greeting, in the middle of anything, while closing, or with an idle limit", () => {
  const pair = new Pair(makeFramed);
  assert.deepEqual([pair.client.rest(), pair.server.rest()], [false, false]);
  pair.server.receive(greeting().subarray(0, 20));
  assert.equal(pair.server.rest(), false);

  const half = connect();
  half.server.receive(open(1).subarray(0, 5));
  assert.equal(half.server.rest(), false);

  const busy = connect();
  busy.client.send();
  busy.settle();
  assert.deepEqual([busy.client.rest(), busy.server.rest()], [false, false]);

  const unread = connect();
  unread.server.host.isWritable = false;
  unread.server.receive(frame(TYPE.PING, 0, 0, "12345678"));
  unread.server.flush();
  assert.equal(unread.server.rest(), false);

  const asking = connect();
  asking.client.session.ping(new FakeRequest(""));
  asking.client.flush();
  assert.equal(asking.client.rest(), false);

  const timed = connect({ server: { limits: { idleTimeoutMs: 1_000 } } });
  assert.equal(timed.server.rest(), false);

  const closing = connect();
  closing.client.host.isWritable = false;
  closing.client.send();
  closing.client.flush();
  closing.client.session.close("CONNECTION_CLOSED", "");
  closing.client.flush();
  assert.equal(closing.client.rest(), false);
});

test("there is no rest while a handler runs, even when nobody waits for it any more", () => {
  const pair = connect({ server: { limits: { maxInFlight: 1 } } });
  const request = pair.client.send("first");
  pair.settle();
  pair.client.session.cancel(request, "CANCELLED");
  pair.settle();
  assert.equal(pair.server.rest(), false);
  pair.server.session.reply(pair.server.host.exchanges[0]!, "nobody reads this");
  pair.settle();
  assert.equal(pair.server.rest(), true);
});
