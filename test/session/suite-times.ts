import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pattern } from "../support/bytes.js";
import { type MakeSession, Pair } from "./pair.js";

/** How every kind of session watches the clock: each limit at its value, and just before. */
export function testSessionTimes(name: string, make: MakeSession): void {
  const connect = () => new Pair(make).settle();

  function halfSent(): { pair: Pair; first: Buffer } {
    const pair = connect();
    pair.client.send(pattern(1_000_000));
    pair.client.flush();
    return { pair, first: pair.client.host.written };
  }

  describe(`the times of a ${name} session`, () => {
    test("cuts a server's caller that says nothing, at handshakeTimeoutMs and not before", () => {
      const pair = new Pair(make);
      assert.equal(pair.server.session.nextDeadline, pair.clock.now() + 1_000);
      pair.clock.advance(999);
      pair.server.tick();
      assert.deepEqual(pair.server.host.events, []);
      pair.clock.advance(1);
      pair.server.tick();
      assert.deepEqual(pair.server.host.events, ["abort TIMEOUT"]);
    });

    test("cuts a message that does not go on, at messageTimeoutMs and not before", () => {
      const { pair, first } = halfSent();
      pair.server.receive(first.subarray(0, 50_000));
      pair.clock.advance(1_999);
      pair.server.tick();
      assert.equal(pair.server.host.isAborted, false);
      pair.clock.advance(1);
      pair.server.tick();
      assert.equal(pair.server.host.error?.code, "TIMEOUT");
      assert.match(pair.server.host.error?.message ?? "", /the message/);
    });

    test("a trickle of single bytes does not keep a message alive", () => {
      const { pair, first } = halfSent();
      pair.server.receive(first.subarray(0, 50_000));
      for (let index = 0; index < 40 && !pair.server.host.isAborted; index++) {
        pair.clock.advance(100);
        pair.server.tick();
        pair.server.receive(first.subarray(50_000 + index, 50_001 + index));
      }
      assert.equal(pair.server.host.error?.code, "TIMEOUT");
    });

    test("64 KiB in each window keep a message alive", () => {
      const { pair, first } = halfSent();
      for (let offset = 0; offset + 33_000 <= first.length; offset += 33_000) {
        pair.server.receive(first.subarray(offset, offset + 33_000));
        pair.clock.advance(1_000);
        pair.server.tick();
      }
      assert.equal(pair.server.host.isAborted, false);
    });

    test("a pause of its own is not held against the other side", () => {
      const { pair, first } = halfSent();
      pair.server.receive(first.subarray(0, 50_000));
      pair.clock.advance(1_500);
      pair.server.session.paused(true);
      assert.equal(pair.server.session.nextDeadline, Infinity);
      pair.clock.advance(100_000);
      pair.server.session.tick(pair.clock.now());
      pair.server.session.paused(false);
      pair.clock.advance(1_999);
      pair.server.tick();
      assert.equal(pair.server.host.isAborted, false);
      pair.clock.advance(1);
      pair.server.tick();
      assert.equal(pair.server.host.error?.code, "TIMEOUT");
    });

    test("cuts a caller that does not read its answer, at messageTimeoutMs and not before", () => {
      const pair = connect();
      pair.client.send();
      pair.settle();
      pair.server.host.isWritable = false;
      pair.server.session.reply(pair.server.host.exchanges[0]!, pattern(1_000_000));
      pair.settle();
      pair.clock.advance(1_999);
      pair.server.tick();
      assert.equal(pair.server.host.isAborted, false);
      pair.clock.advance(1);
      pair.server.tick();
      assert.equal(pair.server.host.error?.code, "TIMEOUT");
      assert.match(pair.server.host.error?.message ?? "", /(not read|unread)/);
    });

    test("an answer that is read in time is not cut later", () => {
      const pair = connect();
      pair.client.send();
      pair.settle();
      pair.server.host.isWritable = false;
      pair.server.session.reply(pair.server.host.exchanges[0]!, pattern(200_000));
      pair.server.flush();
      pair.clock.advance(1_999);
      pair.server.drain();
      pair.server.flush();
      assert.equal(pair.server.session.nextDeadline, Infinity);
      pair.clock.advance(1_000_000);
      pair.server.tick();
      assert.equal(pair.server.host.isAborted, false);
    });
  });
}
