import assert from "node:assert/strict";
import type { IncomingStream } from "../../src/session/incoming-stream.js";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import type { Exchange } from "../../src/session/session.js";
import { cutAt } from "../support/bytes.js";
import { type EndOptions, type MakeSession, Pair } from "./pair.js";
import { type Side, Talk } from "./talk.js";

/** Anything that can happen to a connection with streams; numbers choose what it happens to. */
export type Step =
  | { readonly kind: "send"; readonly size: number; readonly deadlineMs: number; readonly how: number }
  | {
      readonly kind: "write" | "end" | "read" | "stop";
      readonly side: Side;
      readonly index: number;
      readonly size: number;
    }
  | { readonly kind: "cancel" | "reply" | "stream" | "fail"; readonly index: number; readonly size: number }
  | { readonly kind: "block" | "drain" | "flush" | "deliver" | "rest" | "close" | "lose"; readonly side: Side }
  | { readonly kind: "part"; readonly side: Side; readonly bytes: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "settle" };

/** Two sessions whose messages and replies are streams as well as whole, and what must be true of them at any time. */
export class StreamsModel {
  readonly pair: Pair;
  readonly talks: Talk[] = [];
  readonly #isPlain: boolean;
  readonly #maxInFlight: number;
  #isClosing = false;
  #isBroken = false;

  constructor(make: MakeSession, server: EndOptions, cuts: readonly number[], readsInto: boolean) {
    this.pair = new Pair(make, { server });
    this.#isPlain = this.pair.client.session.wire === "plain";
    this.#maxInFlight = server.limits?.maxInFlight ?? 4;
    this.pair.client.readsInto = readsInto;
    this.pair.server.readsInto = readsInto;
    this.pair.cut = (bytes) =>
      cutAt(
        bytes,
        cuts.map((cut) => cut % (bytes.length + 1)),
      );
    this.pair.server.host.onMessage = (exchange) => this.#meet(exchange);
  }

  run(step: Step): void {
    this.#do(step);
    if (this.pair.client.host.events.some((event) => event.startsWith("closing"))) this.#close();
    const { client, server } = this.pair;
    if (client.host.isLost || server.host.isLost) this.#allowAll("CONNECTION_LOST");
    if (client.host.error?.code === "TIMEOUT" || server.host.error?.code === "TIMEOUT") this.#allowAll("TIMEOUT");
    const hasFailed = this.talks.some(({ request }) => / (unsent|unknown)$/.test(request.outcome));
    const isCut = this.#isPlain && (this.#isBroken || server.host.isAborted || hasFailed);
    for (const { there, back } of isCut ? this.talks : []) there.isCut = back.isCut = true;
    for (const talk of this.talks) talk.check();
    this.#checkBounds();
  }

  #do(step: Step): void {
    const { pair } = this;
    const { client, server } = pair;
    switch (step.kind) {
      case "send":
        this.#send(step.size, step.deadlineMs, step.how);
        break;
      case "write":
      case "end":
      case "read":
      case "stop":
        this.#use(step);
        break;
      case "cancel": {
        const talk = pick(this.talks, step.index, ({ isSettled }) => !isSettled);
        talk?.allowed.add("CANCELLED");
        if (talk !== undefined) client.session.cancel(talk.request, "CANCELLED");
        break;
      }
      case "reply":
      case "stream":
      case "fail":
        this.#answer(step.kind, step.index, step.size);
        break;
      case "block":
        if (!pair[step.side].host.isBlocked) pair[step.side].host.isWritable = false;
        break;
      case "drain":
      case "flush":
      case "rest":
        pair[step.side][step.kind]();
        break;
      case "deliver":
        pair.deliver(pair[step.side], step.side === "client" ? server : client);
        break;
      case "part":
        pair.deliverPart(pair[step.side], step.side === "client" ? server : client, step.bytes);
        break;
      case "close":
        // On the plain wire an end without a byte is an empty reply, also to a message that is on its way.
        if (this.#isPlain && step.side === "server" && server.host.exchanges.length === 0) break;
        this.#close();
        pair[step.side].session.close("CONNECTION_CLOSED", "closing");
        break;
      case "lose":
        this.#isBroken = true;
        this.#allowAll("CONNECTION_LOST");
        pair[step.side].lose();
        break;
      case "advance":
        pair.clock.advance(step.ms);
        client.tick();
        server.tick();
        break;
      case "settle":
        pair.settle();
    }
  }

  /** Everything comes to its end: either all is read, written and answered, or the connection breaks. */
  finish(isLost: boolean): void {
    const { client, server } = this.pair;
    if (isLost) {
      this.#isBroken = true;
      this.#allowAll("CONNECTION_LOST");
      client.lose();
      server.lose();
    }
    for (let round = 0; round < 2 * this.talks.length + 60; round++) {
      client.drain();
      server.drain();
      for (const [index, talk] of this.talks.entries()) this.#finish(talk, index % 5 === 4);
      this.pair.settle();
    }
    this.run({ kind: "settle" });
    for (const { request } of this.talks) {
      assert.notEqual(request.outcome, "", "a request that nobody will ever settle");
      const isOver = request.overs === 1 || / (unsent|unknown)$/.test(request.outcome);
      assert.ok(isOver, `a request with a stream that never ends: ${request.outcome}`);
    }
    for (const { host, session } of [client, server]) {
      assert.equal(session.heldBytes, 0, "bytes that are held for ever");
      const isFine = ["TIMEOUT", this.#isPlain ? "CONNECTION_LOST" : ""].includes(host.error?.code ?? "");
      const wrong = isFine ? undefined : host.error?.message;
      assert.equal(wrong, undefined);
    }
    assert.equal(client.session.isIdle, true, "a client with something in flight");
    if (this.#isPlain || this.#isClosing || client.host.isLost || server.host.isLost) return;
    assert.equal(client.host.isFlushRequested || client.rest(), true, "a client that cannot rest");
    assert.equal(server.host.isFlushRequested || server.rest(), true, "a server that cannot rest");
  }

  /** @param isStopped whether its readers have had enough */
  #finish(talk: Talk, isStopped: boolean): void {
    const { exchange } = talk;
    if (!talk.there.hasEnded) {
      this.#end(talk);
    }
    for (const side of ["client", "server"] as const) {
      if (isStopped) this.#stop(talk, side);
      talk.read(side, Infinity);
    }
    if (exchange === undefined) return;
    if (!talk.isAnswered) this.#answerWith(talk, exchange, "reply", 10);
    if (talk.outgoing !== undefined && !talk.back.hasEnded) this.#endReply(talk, exchange);
  }

  #close(): void {
    this.#isClosing = true;
    this.#allowAll("CONNECTION_CLOSED");
    // Who has nothing to wait for closes, and the other side sees the end of it.
    this.#allowAll("CONNECTION_LOST");
  }

  #allowAll(code: string): void {
    for (const { allowed } of this.talks) allowed.add(code);
  }

  #send(size: number, deadlineMs: number, how: number): void {
    const { client } = this.pair;
    if (this.#isClosing || client.isGone || (client.session.isIdle === false && this.#isPlain)) return;
    if (this.#isPlain && this.talks.length > 0) return;
    const talk = new Talk(this.talks.length, deadlineMs < 100 ? client.host.now() + deadlineMs : Infinity);
    this.talks.push(talk);
    const { request } = talk;
    request.isStreamed = how % 2 === 1;
    if (how >= 2) request.outgoing = new OutgoingStream();
    else {
      // On the plain wire nothing at all is no message.
      request.body = talk.there.next(this.#isPlain ? size + 1 : size);
      talk.there.hasEnded = true;
    }
    client.session.send(request);
  }

  #meet(exchange: Exchange): void {
    const talk = this.#isPlain ? this.talks[0] : this.talks.find(({ request }) => request.id === exchange.id);
    assert.ok(talk !== undefined, "a message that nobody sent");
    assert.equal(talk.exchange, undefined, "a message that came twice");
    talk.exchange = exchange;
  }

  #use({ kind, side, index, size }: Extract<Step, { side: Side; index: number }>): void {
    const reads = kind === "read" || kind === "stop";
    const talk = pick(this.talks, index, ({ request, exchange, outgoing, there, back }) => {
      if (reads) return (side === "client" ? request.stream : exchange?.incoming) !== undefined;
      return side === "client"
        ? request.outgoing !== undefined && !there.hasEnded
        : outgoing !== undefined && !back.hasEnded;
    });
    if (talk === undefined) return;
    const { request, exchange, outgoing, there, back } = talk;
    if (kind === "read") talk.read(side, size);
    else if (kind === "stop") this.#stop(talk, side);
    else if (kind === "write") {
      const stream = side === "client" ? request.outgoing : outgoing;
      stream?.write((side === "client" ? there : back).next(size));
    } else if (side === "client") {
      this.#end(talk);
    } else if (exchange !== undefined) this.#endReply(talk, exchange);
  }

  #end({ there, request, allowed }: Talk): void {
    there.hasEnded = true;
    request.outgoing?.end();
    if (this.#isPlain && there.writtenBytes === 0) allowed.add("UNSUPPORTED");
  }

  #stop({ request, exchange, there, back }: Talk, side: Side): void {
    const stream: IncomingStream | undefined = side === "client" ? request.stream : exchange?.incoming;
    if (stream === undefined || stream.isStopped) return;
    (side === "client" ? back : there).isStopped = true;
    // On the plain wire there is no word for it, so that a client hangs up.
    if (this.#isPlain && side === "client") this.talks[0]?.allowed.add("CANCELLED");
    stream.stop();
  }

  #answer(kind: "reply" | "stream" | "fail", index: number, size: number): void {
    const talk = pick(this.talks, index, ({ exchange, isAnswered }) => exchange !== undefined && !isAnswered);
    if (talk?.exchange !== undefined) this.#answerWith(talk, talk.exchange, kind, size);
    else if (kind === "fail") this.#failLater(index);
  }

  #answerWith(talk: Talk, exchange: Exchange, kind: "reply" | "stream" | "fail", size: number): void {
    const { session } = this.pair.server;
    talk.isAnswered = true;
    if (kind === "fail") {
      talk.allowed.add(this.#isPlain ? "CONNECTION_LOST" : "HANDLER_FAILED");
      session.fail(exchange, "HANDLER_FAILED", "no");
    } else if (kind === "reply") {
      talk.back.hasEnded = true;
      session.reply(exchange, talk.back.next(size));
    } else {
      talk.outgoing = new OutgoingStream();
      session.replyStream(exchange, talk.outgoing);
    }
  }

  /** A reply that has begun fails. */
  #failLater(index: number): void {
    const talk = pick(this.talks, index, ({ outgoing, back }) => outgoing !== undefined && !back.hasEnded);
    if (talk?.exchange === undefined) return;
    talk.allowed.add(this.#isPlain ? "CONNECTION_LOST" : "HANDLER_FAILED");
    this.pair.server.session.fail(talk.exchange, "HANDLER_FAILED", "no");
    talk.outgoing = undefined;
  }

  #endReply(talk: Talk, exchange: Exchange): void {
    talk.back.hasEnded = true;
    this.pair.server.session.endReply(exchange);
  }

  #checkBounds(): void {
    const busy = this.talks.filter((talk) => talk.exchange !== undefined && !(talk.isAnswered && talk.back.hasEnded));
    const failed = busy.filter(({ isAnswered, outgoing }) => isAnswered && outgoing === undefined);
    assert.ok(busy.length - failed.length <= this.#maxInFlight, `${busy.length} handlers at once`);
    for (const { request, exchange } of this.talks) {
      for (const stream of [request.stream, exchange?.incoming]) {
        if (stream === undefined || this.#isPlain) continue;
        assert.ok(stream.windowBytes >= 0);
        assert.ok(stream.bufferedBytes + (stream.isOver ? 0 : stream.windowBytes) <= 65_536 + 524_288, "too much room");
      }
    }
  }
}

function pick(talks: readonly Talk[], index: number, suits: (talk: Talk) => boolean): Talk | undefined {
  const all = talks.filter(suits);
  return all[index % Math.max(1, all.length)];
}
