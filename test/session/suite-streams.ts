import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byteByByte, pattern } from "../support/bytes.js";
import { type MakeSession, Pair } from "./pair.js";
import { answerOf, connectStreams, exchangeOf, incomingOf, readAll } from "./streams.js";

/** What every kind of session must do with messages and replies that are written and read bit by bit. */
export function testSessionStreams(name: string, make: MakeSession): void {
  const connect = () => connectStreams(make);

  describe(`the streams of a ${name} session`, () => {
    test("carry both directions at once, in order, however they are cut", () => {
      for (const cut of [(bytes: Buffer) => [bytes], byteByByte]) {
        const pair = connect();
        pair.cut = cut;
        const request = pair.client.open();
        request.outgoing.write(Buffer.from("a"));
        pair.settle();
        const outgoing = answerOf(pair.server);
        const there: Buffer[] = [readAll(incomingOf(pair.server))];
        const back: Buffer[] = [];
        for (let round = 0; round < 40; round++) {
          request.outgoing.write(pattern(round * 40, round));
          outgoing.write(pattern(round * 30, round + 1));
          pair.settle();
          there.push(readAll(incomingOf(pair.server)));
          if (request.stream !== undefined) back.push(readAll(request.stream));
        }
        request.outgoing.end();
        pair.server.session.endReply(exchangeOf(pair.server));
        pair.settle();
        const sent = Array.from({ length: 40 }, (_, round) => pattern(round * 40, round));
        assert.deepEqual(Buffer.concat(there), Buffer.concat([Buffer.from("a"), ...sent]));
        const answered = Array.from({ length: 40 }, (_, round) => pattern(round * 30, round + 1));
        assert.deepEqual(Buffer.concat(back), Buffer.concat(answered));
        assert.deepEqual([request.outcome, request.overs, request.stream?.hasEnded], ["stream", 1, true]);
        assert.deepEqual([pair.client.session.isIdle, pair.client.session.heldBytes], [true, 0]);
        assert.equal(pair.server.session.heldBytes, 0);
      }
    });

    test("carry a message to a handler that answers with a whole reply", () => {
      const pair = connect();
      const request = pair.client.sendStream();
      request.outgoing.write(pattern(70_000));
      pair.settle();
      assert.equal(incomingOf(pair.server).sizeBytes, undefined);
      const first = readAll(incomingOf(pair.server));
      request.outgoing.write(pattern(70_000, 2));
      request.outgoing.end();
      pair.settle();
      const all = Buffer.concat([first, readAll(incomingOf(pair.server))]);
      pair.settle();
      const rest = readAll(incomingOf(pair.server));
      assert.deepEqual(Buffer.concat([all, rest]), Buffer.concat([pattern(70_000), pattern(70_000, 2)]));
      assert.equal(incomingOf(pair.server).hasEnded, true);
      pair.server.session.reply(exchangeOf(pair.server), "got it");
      pair.settle();
      assert.deepEqual([request.outcome, request.overs], ["reply got it", 1]);
    });

    test("carry a reply to a message that is whole", () => {
      const pair = connect();
      const request = pair.client.ask("watch");
      pair.settle();
      const outgoing = answerOf(pair.server);
      pair.settle();
      assert.equal(request.outcome, "");
      for (const line of ["one", "two", "three"]) {
        outgoing.write(Buffer.from(line));
        pair.settle();
        assert.equal(readAll(request.stream).toString(), line);
      }
      assert.equal(request.stream?.hasEnded, false);
      pair.server.session.endReply(exchangeOf(pair.server));
      pair.settle();
      assert.equal(request.stream?.hasEnded, true);
      assert.deepEqual([request.outcome, request.overs], ["stream", 1]);
    });

    test("carry a reply that is empty", () => {
      const pair = connect();
      const request = pair.client.ask("hello");
      pair.settle();
      answerOf(pair.server);
      pair.server.session.endReply(exchangeOf(pair.server));
      pair.settle();
      assert.deepEqual([request.outcome, request.overs], ["reply ", 1]);
    });

    test("carry what was written and ended before anything left", () => {
      const pair = connect();
      const request = pair.client.sendStream();
      request.outgoing.write(Buffer.from("hel"));
      request.outgoing.write(Buffer.from("lo"));
      request.outgoing.end();
      request.outgoing.write(Buffer.from("too late"));
      request.outgoing.end();
      pair.settle();
      const { message, incoming } = exchangeOf(pair.server);
      assert.equal(message?.text() ?? readAll(incoming).toString(), "hello");
      pair.server.session.reply(exchangeOf(pair.server), "");
      pair.settle();
      assert.equal(request.outcome, "reply ");
    });

    test("are collected by a server that takes none", () => {
      const pair = new Pair(make).settle();
      const request = pair.client.sendStream();
      for (let seed = 0; seed < 5; seed++) {
        request.outgoing.write(pattern(100_000, seed));
        pair.settle();
      }
      assert.equal(pair.server.host.exchanges.length, 0);
      request.outgoing.end();
      pair.settle();
      const whole = Buffer.concat([0, 1, 2, 3, 4].map((seed) => pattern(100_000, seed)));
      assert.deepEqual(Buffer.from(exchangeOf(pair.server).message!.bytes), whole);
    });

    test("count in heldBytes, exactly, until they are read or out", () => {
      const pair = connect();
      const { session } = pair.server;
      const request = pair.client.open();
      request.outgoing.write(pattern(5_000));
      pair.settle();
      assert.equal(session.heldBytes, 5_000);
      const outgoing = answerOf(pair.server);
      outgoing.write(pattern(3_000));
      outgoing.write(pattern(30_000));
      assert.equal(session.heldBytes, 38_000);
      readAll(incomingOf(pair.server));
      assert.equal(session.heldBytes, 33_000);
      pair.settle();
      assert.equal(session.heldBytes, 0);
      request.outgoing.write(pattern(700));
      request.outgoing.end();
      pair.settle();
      assert.equal(session.heldBytes, 700);
      incomingOf(pair.server).stop();
      assert.equal(session.heldBytes, 0);
    });

    test("ask their writer to wait at 128 KiB, and tell when there is room again", () => {
      const pair = connect();
      const request = pair.client.sendStream();
      pair.client.host.isWritable = false;
      let changes = 0;
      request.outgoing.onChange = () => changes++;
      request.outgoing.write(pattern(131_071));
      assert.equal(request.outgoing.isFull, false);
      request.outgoing.write(pattern(1));
      assert.equal(request.outgoing.isFull, true);
      assert.equal(changes, 0);
      pair.client.flush();
      pair.client.drain();
      pair.settle();
      assert.equal(request.outgoing.isFull, false);
      assert.equal(changes, 1);
    });

    test("skip what comes after their reader has had enough, and an early reply passes", () => {
      const pair = connect();
      const request = pair.client.sendStream();
      request.outgoing.write(pattern(1_000));
      pair.settle();
      incomingOf(pair.server).stop();
      assert.equal(pair.server.session.heldBytes, 0);
      request.outgoing.write(pattern(100_000));
      pair.settle();
      assert.equal(pair.server.session.heldBytes, 0);
      assert.equal(readAll(incomingOf(pair.server)).length, 0);
      request.outgoing.end();
      pair.settle();
      pair.server.session.reply(exchangeOf(pair.server), "enough");
      pair.settle();
      assert.deepEqual([request.outcome, request.overs], ["reply enough", 1]);
    });

    test("end with their request when it is cancelled, or its time is up, in the middle of the reply", () => {
      for (const code of ["CANCELLED", "TIMEOUT"] as const) {
        const pair = connect();
        const request = pair.client.open(code === "TIMEOUT" ? pair.clock.now() + 80 : undefined);
        request.outgoing.write(Buffer.from("a"));
        pair.settle();
        answerOf(pair.server).write(Buffer.from("b"));
        pair.settle();
        assert.equal(request.outcome, "stream");
        if (code === "TIMEOUT") pair.clock.advance(88);
        if (code === "TIMEOUT") pair.client.tick();
        else pair.client.session.cancel(request, code);
        assert.equal(request.outcome, `stream, ${code} unknown`);
        assert.deepEqual(
          [request.outgoing.isOver, request.stream?.isOver, request.stream?.hasEnded],
          [true, true, false],
        );
        assert.equal(readAll(request.stream).toString(), "b", "what had come can still be read");
        pair.settle();
        pair.client.session.cancel(request, "CANCELLED");
        assert.equal(request.outcomes.length, 2);
        assert.equal(pair.client.session.heldBytes, 0);
      }
    });

    test("go on while the sides close, until all of them are over", () => {
      const pair = connect();
      const request = pair.client.open();
      request.outgoing.write(Buffer.from("a"));
      pair.settle();
      const outgoing = answerOf(pair.server);
      pair.server.session.close("CONNECTION_CLOSED", "closing");
      pair.client.session.close("CONNECTION_CLOSED", "closing");
      pair.settle();
      request.outgoing.write(pattern(50_000));
      outgoing.write(pattern(50_000));
      pair.settle();
      assert.equal(readAll(incomingOf(pair.server)).length, 50_001);
      assert.equal(readAll(request.stream).length, 50_000);
      assert.equal(pair.server.host.isEnded || pair.server.host.isAborted, false);
      request.outgoing.end();
      pair.server.session.endReply(exchangeOf(pair.server));
      pair.settle();
      assert.deepEqual([request.outcome, request.overs], ["stream", 1]);
      assert.deepEqual([pair.client.host.isLost, pair.server.host.isLost], [true, true]);
    });
  });
}
