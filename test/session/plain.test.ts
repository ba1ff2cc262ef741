import assert from "node:assert/strict";
import { test } from "node:test";
import { pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { makePlain, Pair } from "./pair.js";
import { testSession } from "./suite.js";
import { testSessionStreams } from "./suite-streams.js";
import { testSessionStreamsLost } from "./suite-streams-lost.js";
import { testSessionTimes } from "./suite-times.js";

testSession("plain", makePlain);
testSessionTimes("plain", makePlain);
testSessionStreams("plain", makePlain);
testSessionStreamsLost("plain", makePlain);

test("all bytes until the end are one message, all bytes back the reply", () => {
  const pair = new Pair(makePlain);
  pair.server.receive(Buffer.from("hel"), Buffer.from("lo"));
  assert.equal(pair.server.host.exchanges.length, 0);
  pair.server.receiveEnd();
  assert.deepEqual(pair.server.host.events, ['exchange 1 "hello"']);
  pair.server.session.reply(pair.server.host.exchanges[0]!, "world");
  pair.server.flush();
  assert.equal(pair.server.host.written.toString(), "world");
  assert.equal(pair.server.host.isEnded, true);
});

test("a connection that brought nothing is not a message", () => {
  const pair = new Pair(makePlain);
  pair.server.receiveEnd();
  assert.deepEqual(pair.server.host.events, ["end"]);
});

test("an empty reply ends the connection and writes nothing", () => {
  const pair = new Pair(makePlain);
  const request = pair.client.send();
  pair.settle();
  pair.server.session.reply(pair.server.host.exchanges[0]!, "");
  pair.settle();
  assert.equal(request.outcome, "reply ");
});

test("a failed handler ends the connection without a word", () => {
  const pair = new Pair(makePlain);
  pair.client.send();
  pair.settle();
  pair.server.session.fail(pair.server.host.exchanges[0]!, "HANDLER_FAILED", "no");
  assert.deepEqual(pair.server.host.events.at(-1), "abort quietly");
  assert.equal(pair.server.host.written.length, 0);
});

test("a server that ends before it has the whole message has not acknowledged it", () => {
  const pair = new Pair(makePlain);
  pair.client.host.isWritable = false;
  const request = pair.client.send(pattern(1_000_000));
  pair.client.flush();
  pair.client.receiveEnd();
  pair.client.lose();
  assert.equal(request.outcome, "CONNECTION_LOST unknown");
});

test("nor has one that ends while the last of it still waits to leave", () => {
  const pair = new Pair(makePlain);
  pair.client.host.isWritable = false;
  const request = pair.client.send("small");
  pair.client.flush();
  pair.client.receiveEnd();
  assert.equal(request.outcome, "CONNECTION_LOST unknown");
});

test("has no ping, and says so", () => {
  const pair = new Pair(makePlain);
  const ping = new FakeRequest("");
  pair.client.session.ping(ping);
  assert.equal(ping.outcome, "UNSUPPORTED unsent");
});

test("a large message leaves in pieces of 256 KiB, each when the one before is out", () => {
  const pair = new Pair(makePlain);
  pair.client.send(pattern(600_000));
  pair.client.host.isWritable = false;
  pair.client.flush();
  assert.equal(pair.client.session.isWaitingForPeer, true);
  pair.client.host.drain();
  pair.client.session.drained();
  pair.client.host.drain();
  pair.client.session.drained();
  pair.client.drain();
  assert.deepEqual(
    pair.client.host.writes.map((write) => write.length),
    [262_144, 262_144, 75_712],
  );
  assert.equal(pair.client.host.isEnded, true);
});
