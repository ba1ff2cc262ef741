import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import type { Exchange } from "../../src/session/session.js";
import { byteByByte, pattern } from "../support/bytes.js";
import { End, type EndOptions, type MakeSession, Pair } from "./pair.js";

/** What every kind of session must do; `src/session/session.ts` says it in words. */
export function testSession(name: string, make: MakeSession): void {
  const connect = (options?: { client?: EndOptions; server?: EndOptions }) => new Pair(make, options).settle();
  const received = ({ server }: Pair): Exchange => {
    const [exchange] = server.host.exchanges;
    if (exchange === undefined) throw new Error("no message has come");
    return exchange;
  };

  describe(`a ${name} session`, () => {
    for (const [what, body] of [
      ["an empty message", ""],
      ["a text", "grüße 🎧"],
      ["bytes that are no text", pattern(300)],
      ["a message of 1 MiB", pattern(1_048_576)],
      ["a text of 200,000 characters", "ä".repeat(200_000)],
    ] as const) {
      test(`carries ${what} there and back`, () => {
        const pair = connect();
        const request = pair.client.send(body);
        // On the plain wire nothing at all is no message, but the probe of a port.
        if (name === "plain" && body.length === 0) {
          assert.equal(request.outcome, "UNSUPPORTED unsent");
          return;
        }
        pair.settle();
        const exchange = received(pair);
        assert.deepEqual(Buffer.from(exchange.message!.bytes), Buffer.from(body as string));
        pair.server.session.reply(exchange, body);
        pair.settle();
        assert.deepEqual(Buffer.from(request.reply!.bytes), Buffer.from(body as string));
        assert.equal(request.outcomes.length, 1);
      });
    }

    test("carries it byte by byte just the same", () => {
      const pair = connect();
      pair.cut = byteByByte;
      const request = pair.client.send("hello");
      pair.settle();
      pair.server.session.reply(received(pair), "world");
      pair.settle();
      assert.equal(request.outcome, "reply world");
      assert.equal(received(pair).message?.text(), "hello");
    });

    test("takes an answer from within onExchange", () => {
      const pair = connect();
      pair.server.host.onMessage = (exchange) => pair.server.session.reply(exchange, "at once");
      const request = pair.client.send();
      pair.settle();
      assert.equal(request.outcome, "reply at once");
    });

    test("writes nothing before flush", () => {
      const pair = connect();
      pair.client.send();
      assert.equal(pair.client.host.writes.length, 0);
      assert.equal(pair.client.host.isFlushRequested, true);
    });

    test("keeps what it holds in heldBytes until the answer is out", () => {
      const pair = connect();
      pair.client.send(pattern(5_000));
      pair.settle();
      assert.equal(pair.server.session.heldBytes, 5_000);
      pair.server.host.isWritable = false;
      pair.server.session.reply(received(pair), pattern(3_000_000));
      assert.equal(pair.server.session.heldBytes, 3_005_000);
      pair.settle();
      assert.ok(pair.server.session.heldBytes > 2_000_000, "most of the reply waits inside");
      pair.server.drain();
      pair.settle();
      assert.equal(pair.server.session.heldBytes, 0);
    });

    test("is idle before and after, not while a message is on its way", () => {
      const pair = connect();
      assert.equal(pair.client.session.isIdle, true);
      pair.client.send();
      assert.equal(pair.client.session.isIdle, false);
      pair.settle();
      assert.equal(pair.server.session.isIdle, false);
      pair.server.session.reply(received(pair), "");
      pair.settle();
      assert.equal(pair.client.session.isIdle, true);
    });

    test("waits for its peer while a message is half there, or output is unread", () => {
      const pair = connect();
      pair.client.send(pattern(1_000_000));
      pair.client.flush();
      const [first] = pair.client.host.takeWrites();
      assert.equal(pair.server.session.isWaitingForPeer, false);
      pair.server.receive(first!.subarray(0, 100_000));
      assert.equal(pair.server.session.isWaitingForPeer, true);
    });

    test("settles a request at its deadline, and not before", () => {
      const pair = connect();
      const request = pair.client.send("hello", pair.clock.now() + 80);
      pair.settle();
      const { nextDeadline } = pair.client.session;
      assert.ok(nextDeadline >= pair.clock.now() + 80 && nextDeadline < pair.clock.now() + 88, `${nextDeadline}`);
      pair.advance(79);
      assert.equal(request.outcome, "");
      pair.advance(9);
      assert.equal(request.outcome, "TIMEOUT unknown");
    });

    test("settles a cancelled request once, whatever comes after", () => {
      const pair = connect();
      const request = pair.client.send();
      pair.settle();
      pair.client.session.cancel(request, "CANCELLED");
      pair.client.session.cancel(request, "TIMEOUT");
      pair.settle();
      pair.server.session.reply(received(pair), "too late");
      pair.settle();
      assert.equal(request.outcome, "CANCELLED unknown");
      // A plain caller that hangs up looks like one that has said everything.
      if (name === "framed") assert.match(pair.server.host.events.join(), /caller of 1 gone/);
    });

    test("settles everything when the connection is lost, with the cause", () => {
      const pair = connect();
      const request = pair.client.send();
      pair.settle();
      const error = new EarshotError("CONNECTION_LOST", "the cable");
      pair.client.lose(error);
      pair.server.lose(error);
      assert.equal(request.outcome, "CONNECTION_LOST unknown");
      assert.equal(request.details?.cause, error);
      assert.match(pair.server.host.events.join(), /caller of 1 gone: CONNECTION_LOST/);
      assert.equal(pair.server.session.heldBytes, 0);
    });

    test("writes nothing after lost, whoever answers and whatever drains", () => {
      for (const isBlocked of [true, false]) {
        const pair = connect();
        pair.client.send();
        pair.settle();
        pair.server.host.isWritable = !isBlocked;
        if (isBlocked) pair.server.session.reply(received(pair), pattern(1_000_000));
        pair.settle();
        pair.server.lose();
        assert.equal(pair.server.session.nextDeadline, Infinity);
        pair.server.host.drain();
        pair.server.session.drained();
        if (!isBlocked) pair.server.session.reply(received(pair), "too late");
        pair.server.session.flush();
        assert.equal(pair.server.session.nextDeadline, Infinity);
        assert.equal(pair.server.session.heldBytes, 0);
      }
    });

    test("takes only one answer to an exchange", () => {
      const pair = connect();
      const request = pair.client.send();
      pair.settle();
      pair.server.session.reply(received(pair), "first");
      pair.server.session.reply(received(pair), "second");
      pair.server.session.fail(received(pair), "HANDLER_FAILED", "third");
      pair.settle();
      assert.equal(request.outcome, "reply first");
    });

    test("refuses a message over maxMessageBytes and takes one at the limit", () => {
      for (const [size, isTaken] of [
        [10_000, true],
        [10_001, false],
      ] as const) {
        const pair = connect({ server: { limits: { maxMessageBytes: 10_000 } } });
        pair.client.send(pattern(size));
        pair.settle();
        assert.equal(pair.server.host.exchanges.length, isTaken ? 1 : 0);
        assert.equal(pair.server.session.heldBytes, isTaken ? size : 0);
      }
    });

    test("refuses a reply over its own maxMessageBytes and takes one at the limit", () => {
      for (const [size, outcome] of [
        [10_000, "reply of 10000"],
        [10_001, "MESSAGE_TOO_LARGE unknown"],
      ] as const) {
        const pair = connect({ client: { limits: { maxMessageBytes: 10_000 } } });
        const request = pair.client.send();
        pair.settle();
        pair.server.session.reply(received(pair), pattern(size));
        pair.settle();
        assert.equal(request.outcome, outcome);
      }
    });

    test("close waits for what is in flight, then ends", () => {
      const pair = connect();
      const request = pair.client.send();
      pair.settle();
      pair.server.session.close("CONNECTION_CLOSED", "closing");
      pair.client.session.close("CONNECTION_CLOSED", "closing");
      pair.settle();
      assert.equal(request.outcome, "");
      assert.equal(pair.server.host.isEnded, false);
      pair.server.session.reply(received(pair), "the last");
      pair.settle();
      assert.equal(request.outcome, "reply the last");
      assert.equal(pair.server.host.isEnded, true);
    });

    test("close with nothing in flight ends at once, and once", () => {
      const pair = connect();
      pair.server.session.close("CONNECTION_CLOSED", "closing");
      pair.server.session.close("CONNECTION_CLOSED", "closing");
      pair.settle();
      assert.equal(pair.server.host.isEnded, true);
    });

    test("ignores what comes after it has cut the connection", () => {
      const pair = connect({ server: { limits: { maxMessageBytes: 100 } } });
      pair.client.send(pattern(200));
      pair.client.flush();
      const written = pair.client.host.written;
      pair.server.receive(written);
      const events = [...pair.server.host.events];
      pair.server.session.receive(Buffer.from("more"));
      if (name === "plain") {
        pair.server.session.receiveEnd();
        assert.deepEqual(pair.server.host.events, events);
      }
      assert.equal(pair.server.session.heldBytes, 0);
    });

    test("an end of input in the middle of a message is no message", () => {
      const end = new End("server", new Pair(make).clock, make);
      end.receiveEnd();
      assert.equal(end.host.exchanges.length, 0);
      assert.equal(end.host.isEnded || end.host.isAborted, true);
    });
  });
}
