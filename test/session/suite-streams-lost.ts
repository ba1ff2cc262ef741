import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import { pattern } from "../support/bytes.js";
import type { FakeRequest } from "../support/host.js";
import type { MakeSession, Pair } from "./pair.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll } from "./streams.js";

/** How every kind of session breaks off its streams, wherever they are. */
export function testSessionStreamsLost(name: string, make: MakeSession): void {
  /** An exchange with a stream in each direction, step by step. */
  function steps(pair: Pair, request: () => FakeRequest): (() => void)[] {
    const { client, server } = pair;
    return [
      () => void request().outgoing?.write(pattern(40_000)),
      () => void client.flush(),
      () => pair.deliverPart(client, server, 30_000),
      () => void pair.settle(),
      () => void incomingOf(server).read(),
      () => answerOf(server).write(pattern(60_000)),
      () => void server.flush(),
      () => pair.deliverPart(server, client, 30_000),
      () => void pair.settle(),
      () => void request().stream?.read(),
      () => request().outgoing?.end(),
      () => void pair.settle(),
      () => void readAll(incomingOf(server)),
    ];
  }

  describe(`the streams of a ${name} session whose connection is lost`, () => {
    const count = steps(connectStreams(make), () => assert.fail()).length;
    for (let done = 0; done <= count; done++) {
      test(`break off after step ${done}, with the cause, once, and nothing is held`, () => {
        const pair = connectStreams(make);
        const request = pair.client.open();
        for (const step of steps(pair, () => request).slice(0, done)) step();
        const error = new EarshotError("CONNECTION_LOST", "the cable");
        pair.client.lose(error);
        pair.server.lose(error);
        assert.match(request.outcome, /^(stream, )?CONNECTION_LOST (unsent|unknown)$/);
        assert.equal(request.details?.cause, error);
        assert.equal(request.outgoing.isOver, true);
        for (const exchange of pair.server.host.exchanges) {
          assert.equal(pair.server.host.events.at(-1), "caller of 1 gone: CONNECTION_LOST");
          assert.notEqual(exchange.outgoing?.isOver, false);
          if (exchange.incoming !== undefined) readAll(exchange.incoming);
          pair.server.session.endReply(exchange);
          pair.server.session.fail(exchange, "HANDLER_FAILED", "too late");
        }
        if (request.stream !== undefined) readAll(request.stream);
        request.outgoing.write(pattern(100));
        request.outgoing.end();
        for (const { session } of [pair.client, pair.server]) {
          session.flush();
          assert.equal(session.heldBytes, 0);
          assert.equal(session.nextDeadline, Infinity);
        }
      });
    }

    test("tell a handler that has answered and still reads", () => {
      const pair = connectStreams(make);
      const request = pair.client.sendStream();
      request.outgoing.write(Buffer.from("a"));
      pair.settle();
      pair.server.session.reply(exchangeOf(pair.server), "early");
      pair.server.flush();
      pair.server.lose();
      assert.equal(pair.server.host.events.at(-1), "caller of 1 gone: CONNECTION_LOST");
      assert.equal(incomingOf(pair.server).isOver, true);
    });

    test("tell a handler when it is this side that cuts the connection", () => {
      const pair = connectStreams(make);
      const request = pair.client.open();
      request.outgoing.write(Buffer.from("a"));
      pair.settle();
      const outgoing = answerOf(pair.server);
      pair.server.session.cut(new EarshotError("OVERLOADED", "no memory"));
      pair.server.lose();
      const told = pair.server.host.events.filter((event) => event.startsWith("caller of 1 gone"));
      assert.deepEqual(told, ["caller of 1 gone: OVERLOADED"]);
      assert.deepEqual([outgoing.isOver, incomingOf(pair.server).isOver], [true, true]);
    });
  });
}
