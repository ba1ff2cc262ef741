import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Exchange } from "../../src/session/session.js";
import { cutAt, pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { makeFramed, Pair } from "./pair.js";

/** Anything that can happen to a connection; numbers choose what it happens to. */
type Step =
  | { readonly kind: "send"; readonly size: number; readonly deadlineMs: number }
  | { readonly kind: "cancel" | "reply" | "fail"; readonly index: number; readonly size: number }
  | { readonly kind: "block" | "drain" | "flush" | "deliver" | "rest"; readonly side: "client" | "server" }
  | { readonly kind: "part"; readonly side: "client" | "server"; readonly bytes: number }
  | { readonly kind: "close" | "lose"; readonly side: "client" | "server" }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "ping" | "settle" };

const size = fc.oneof(fc.nat(40), fc.constantFrom(0, 8_192, 8_193, 131_072, 131_073, 300_000));
const side = fc.constantFrom("client" as const, "server" as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("send" as const), size, deadlineMs: fc.nat(900) }) },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constantFrom("cancel" as const, "reply" as const, "fail" as const),
      index: fc.nat(),
      size,
    }),
  },
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constantFrom("block" as const, "drain" as const, "flush" as const, "deliver" as const),
      side,
    }),
  },
  {
    weight: 30,
    arbitrary: fc.record({ kind: fc.constant("part" as const), side, bytes: fc.oneof(fc.nat(40), fc.nat(150_000)) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("close" as const, "lose" as const), side }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("rest" as const), side }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(400) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("ping" as const, "settle" as const) }) },
);

/** Two framed sessions, and what must be true of them at any time. */
class Model {
  readonly pair: Pair;
  readonly requests: FakeRequest[] = [];
  readonly #bodies = new Map<FakeRequest, Buffer>();
  /** By the seed that its bytes begin with: what was answered to which message. */
  readonly #answers = new Map<number, Buffer>();
  readonly #answered = new Set<Exchange>();
  readonly #maxInFlight: number;
  #isClosing = false;

  constructor(maxInFlight: number, cuts: readonly number[], readsInto: boolean) {
    this.#maxInFlight = maxInFlight;
    this.pair = new Pair(makeFramed, { server: { limits: { maxInFlight } } });
    this.pair.client.readsInto = readsInto;
    this.pair.server.readsInto = readsInto;
    this.pair.cut = (bytes) =>
      cutAt(
        bytes,
        cuts.map((cut) => cut % (bytes.length + 1)),
      );
  }

  run(step: Step): void {
    const { pair, requests } = this;
    const { client, server } = pair;
    switch (step.kind) {
      case "send":
        if (!this.#isClosing && !client.isGone) this.#send(step.size, step.deadlineMs);
        break;
      case "cancel": {
        const open = requests.filter(({ outcome }) => outcome === "");
        const request = open[step.index % Math.max(1, open.length)];
        if (request !== undefined) client.session.cancel(request, "CANCELLED");
        // Once more, when it is settled: nothing comes of that.
        if (request !== undefined) client.session.cancel(request, "TIMEOUT");
        break;
      }
      case "reply":
      case "fail": {
        const open = server.host.exchanges.filter((exchange) => !this.#answered.has(exchange));
        const exchange = open[step.index % Math.max(1, open.length)];
        if (exchange !== undefined) this.#answer(exchange, step.kind === "fail" ? undefined : step.size);
        break;
      }
      case "block":
        if (!pair[step.side].host.isBlocked) pair[step.side].host.isWritable = false;
        break;
      case "drain":
        pair[step.side].drain();
        break;
      case "flush":
        pair[step.side].flush();
        break;
      case "deliver":
        pair.deliver(pair[step.side], step.side === "client" ? server : client);
        break;
      case "rest":
        pair[step.side].rest();
        break;
      case "part":
        pair.deliverPart(pair[step.side], step.side === "client" ? server : client, step.bytes);
        break;
      case "close":
        if (step.side === "client") this.#isClosing = true;
        pair[step.side].session.close("CONNECTION_CLOSED", "closing");
        break;
      case "lose":
        pair[step.side].lose();
        break;
      case "advance":
        pair.clock.advance(step.ms);
        client.tick();
        server.tick();
        break;
      case "ping":
        if (!this.#isClosing && !client.isGone) {
          const ping = new FakeRequest("", pair.clock.now() + 500);
          requests.push(ping);
          client.session.ping(ping);
        }
        break;
      case "settle":
        pair.settle();
    }
    if (client.host.events.some((event) => event.startsWith("closing"))) this.#isClosing = true;
    this.#check();
  }

  /** Everything comes to its end: either all is answered, or the connection breaks. */
  finish(isLost: boolean): void {
    const { client, server } = this.pair;
    if (isLost) {
      client.lose();
      server.lose();
    }
    for (let round = 0; round < this.requests.length + 10; round++) {
      client.drain();
      server.drain();
      for (const exchange of server.host.exchanges) {
        if (!this.#answered.has(exchange)) this.#answer(exchange, 10);
      }
      this.pair.settle();
    }
    this.#check();
    for (const request of this.requests) {
      const isForgotten = client.host.isLost || request.outcomes.length === 1;
      assert.equal(isForgotten, true, "a request that nobody will ever settle");
      assert.equal(request.outcomes.length, 1, `settled ${request.outcomes.length} times: ${request.outcome}`);
    }
    assert.equal(server.session.heldBytes, 0);
    assert.equal(client.session.heldBytes, 0);
    assert.equal(client.session.isIdle, true);
    for (const { host } of [client, server]) {
      const wrong = host.error !== undefined && host.error.code !== "TIMEOUT" ? host.error.message : undefined;
      assert.equal(wrong, undefined);
    }
  }

  #send(size: number, deadlineMs: number): void {
    const body = pattern(size + 4, this.requests.length);
    body.writeUInt32LE(this.requests.length);
    const request = new FakeRequest(body, deadlineMs < 100 ? this.pair.clock.now() + deadlineMs : Infinity);
    this.requests.push(request);
    this.#bodies.set(request, Buffer.from(body));
    this.pair.client.session.send(request);
  }

  #answer(exchange: Exchange, size: number | undefined): void {
    const { session } = this.pair.server;
    this.#answered.add(exchange);
    if (size === undefined) {
      session.fail(exchange, "HANDLER_FAILED", "no");
      return;
    }
    const seed = Buffer.from(exchange.message!.bytes).readUInt32LE();
    const reply = pattern(size, seed + 1_000);
    this.#answers.set(seed, reply);
    session.reply(exchange, reply);
  }

  #check(): void {
    const handling = this.pair.server.host.exchanges.filter((exchange) => !this.#answered.has(exchange));
    assert.equal(handling.length <= this.#maxInFlight, true, `${handling.length} handlers at once`);
    const seeds = new Set<number>();
    for (const { message } of this.pair.server.host.exchanges) {
      const bytes = Buffer.from(message!.bytes);
      const seed = bytes.readUInt32LE();
      assert.equal(seeds.has(seed), false, "a message that came twice");
      seeds.add(seed);
      assert.equal(bytes.equals(this.#bodies.get(this.requests[seed]!)!), true, "a message that changed");
    }
    for (const [seed, request] of this.requests.entries()) {
      assert.equal(request.outcomes.length <= 1, true, `settled twice: ${request.outcome}`);
      if (request.outcome.endsWith("unsent") && this.#bodies.has(request)) {
        assert.equal(seeds.has(seed), false, `${request.outcome}, but a handler has seen it`);
      }
      if (request.reply === undefined || !this.#bodies.has(request)) continue;
      assert.equal(this.#answers.get(seed)?.equals(request.reply.bytes), true, "a reply to another message");
    }
  }
}

test("whatever happens in whatever order, every request is settled once and rightly, and nothing is kept", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120, size: "max" }),
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.boolean(),
      fc.boolean(),
      (steps, maxInFlight, cuts, isLost, readsInto) => {
        const model = new Model(maxInFlight, cuts, readsInto);
        for (const step of steps) model.run(step);
        model.finish(isLost);
      },
    ),
    { numRuns: Number(process.env.EARSHOT_RANDOM_RUNS ?? 1_500) },
  );
});
