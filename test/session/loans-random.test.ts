/** Anything that can happen between two sides that lend each other messages: every byte is the one that was sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BodyMemory } from "../../src/session/body-memory.js";
import type { OwnSlab } from "../../src/session/lending.js";
import type { Exchange, Outgoing } from "../../src/session/session.js";
import { cutAt, pattern } from "../support/bytes.js";
import { FakeRequest } from "../support/host.js";
import { FakeMemory } from "./fake-slabs.js";
import { type End, makeFramed, Pair } from "./pair.js";

type Side = "client" | "server";
type Step =
  | { readonly kind: "send"; readonly size: number; readonly isLoan: boolean; readonly isBorrowed: boolean }
  | { readonly kind: "reply"; readonly index: number; readonly size: number; readonly isLoan: boolean }
  | { readonly kind: "fail" | "cancel" | "dispose"; readonly index: number }
  | { readonly kind: "block" | "drain" | "flush" | "deliver" | "rest" | "retire" | "hold"; readonly side: Side }
  | { readonly kind: "part"; readonly side: Side; readonly bytes: number }
  | { readonly kind: "settle" };

const size = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(65_536, 65_537, 262_143, 262_144, 300_000));
const side = fc.constantFrom<Side>("client", "server");
const index = fc.nat();
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      size,
      isLoan: fc.boolean(),
      isBorrowed: fc.boolean(),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant("reply" as const), index, size, isLoan: fc.boolean() }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constantFrom("fail" as const, "cancel" as const, "dispose" as const), index }),
  },
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constantFrom(...(["block", "drain", "flush", "deliver", "deliver", "rest", "retire", "hold"] as const)),
      side,
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant("part" as const), side, bytes: fc.oneof(fc.nat(60), fc.nat(150_000)) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
);

class LoanRequest extends FakeRequest {
  readonly #isBorrowed: boolean;

  constructor(isBorrowed: boolean) {
    super("");
    this.#isBorrowed = isBorrowed;
  }

  override get isBorrowed(): boolean {
    return this.#isBorrowed;
  }
}

/** What was received, and what it has to be as long as it is kept. */
interface Kept {
  readonly message: NonNullable<Exchange["message"]>;
  readonly bytes: Buffer;
}

class Model {
  readonly memory = new FakeMemory();
  readonly pair: Pair;
  readonly #bodies = new BodyMemory();
  readonly #requests: FakeRequest[] = [];
  readonly #expected = new Map<unknown, Buffer>();
  readonly #replies = new Map<number, Buffer>();
  readonly #kept: Kept[] = [];
  readonly #held: OwnSlab[] = [];
  readonly #handling: Exchange[] = [];
  #sent = 0;

  constructor(isWorthCopying: boolean, cuts: readonly number[]) {
    const bodies = this.#bodies;
    this.pair = new Pair(makeFramed, { client: { slabs: this.memory }, server: { slabs: this.memory, bodies } });
    this.pair.cut = (bytes) => cutAt(bytes, cuts);
    for (const end of [this.pair.client, this.pair.server]) {
      // Few, so that there is no place now and then.
      Object.assign(end.slabs!, { isWorthCopying, freeBytes: 6 * 65_536 });
    }
  }

  run(step: Step): void {
    const { pair } = this;
    switch (step.kind) {
      case "send":
        this.#send(step.size, step.isLoan, step.isBorrowed);
        return;
      case "reply":
        this.#reply(step.index, step.size, step.isLoan);
        return;
      case "fail":
        this.#fail(step.index);
        return;
      case "cancel":
        if (this.#requests.length > 0)
          pair.client.session.cancel(this.#requests[step.index % this.#requests.length]!, "CANCELLED");
        return;
      case "dispose":
        this.#dispose(step.index);
        return;
      case "block":
        pair[step.side].host.isWritable = false;
        return;
      case "drain":
        pair[step.side].drain();
        return;
      case "flush":
        pair[step.side].flush();
        return;
      case "deliver":
        this.#deliver(step.side, Infinity);
        return;
      case "part":
        this.#deliver(step.side, step.bytes);
        return;
      case "rest":
        pair[step.side].rest();
        return;
      case "retire":
        pair[step.side].slabs?.loans?.lending.retireFree();
        return;
      case "hold":
        this.#hold(pair[step.side]);
        return;
      case "settle":
        pair.settle();
        return;
    }
  }

  check(): void {
    for (const { message, bytes } of this.#kept) assert.ok(Buffer.from(message.bytes).equals(bytes), "bytes changed");
    for (const { host } of [this.pair.client, this.pair.server]) assert.equal(host.error, undefined);
    this.#take();
  }

  /** Everything is answered, read and given back: then no slab is anybody's, and when both are gone none is left. */
  finish(): void {
    const { client, server } = this.pair;
    for (let round = 0; round < 100; round++) {
      for (const end of [client, server]) end.drain();
      this.pair.settle();
      this.check();
      if (this.#handling.length === 0 && client.session.isIdle) break;
      while (this.#handling.length > 0) this.#reply(0, 10, false);
    }
    assert.ok(client.session.isIdle && server.session.isIdle, "something is not settled");
    while (this.#kept.length > 0) this.#dispose(0);
    for (const slab of this.#held.splice(0)) slab.release();
    this.pair.settle();
    for (const end of [client, server]) end.slabs?.loans?.lending.retireFree();
    this.pair.settle();
    assert.deepEqual([this.memory.mapped, this.memory.files.size], [0, 0], "slabs that nobody needs are there");
    assert.ok(this.#requests.every(({ outcomes }) => outcomes.length === 1));
  }

  /** Both are gone; descriptors that had not arrived went with them. */
  lose(): void {
    const { client, server } = this.pair;
    for (const end of [client, server]) {
      for (const write of end.host.writes)
        for (const fd of end.host.descriptorsOf.get(write) ?? []) this.memory.files.delete(fd);
      end.lose();
      for (const fd of end.host.closed) this.memory.files.delete(fd);
    }
    for (const { message } of [...server.host.exchanges, ...this.#handling]) message?.[Symbol.dispose]();
    for (const { reply } of this.#requests) reply?.[Symbol.dispose]();
    for (const slab of this.#held) slab.release();
    assert.equal(this.memory.mapped, 0);
  }

  #send(bytes: number, isLoan: boolean, isBorrowed: boolean): void {
    const request = new LoanRequest(isBorrowed);
    this.#requests.push(request);
    const body = pattern(bytes, ++this.#sent);
    this.#expected.set(request, body);
    this.#put(this.pair.client, request, body, isLoan);
    this.pair.client.session.send(request);
  }

  /** Where there is no slab, it is as any other: what is lent says so by its lender. */
  #put(end: End, item: Outgoing, bytes: Buffer, isLoan: boolean): void {
    const slab = isLoan ? end.slabs?.loans?.lending.take(bytes.length) : undefined;
    item.body = bytes;
    if (slab === undefined) return;
    slab.memory.bytes.set(bytes);
    item.body = slab.memory.bytes.subarray(0, bytes.length);
    item.lender = slab;
  }

  #reply(at: number, bytes: number, isLoan: boolean): void {
    const [exchange] = this.#handling.splice(at % Math.max(1, this.#handling.length), 1);
    if (exchange === undefined) return;
    const body = pattern(bytes, exchange.id + 1_000);
    this.#replies.set(exchange.id, body);
    this.#settleHandler(exchange);
    this.#put(this.pair.server, exchange, body, isLoan);
    this.pair.server.session.reply(exchange, exchange.body);
  }

  #fail(at: number): void {
    const [exchange] = this.#handling.splice(at % Math.max(1, this.#handling.length), 1);
    if (exchange === undefined) return;
    this.#settleHandler(exchange);
    this.pair.server.session.fail(exchange, "HANDLER_FAILED", "");
  }

  #settleHandler({ message }: Exchange): void {
    const at = this.#kept.findIndex((kept) => kept.message === message);
    if (at < 0) return;
    this.#kept.splice(at, 1);
    if (message !== undefined) this.#bodies.takeBack(message, "");
  }

  #dispose(at: number): void {
    const [kept] = this.#kept.splice(at % Math.max(1, this.#kept.length), 1);
    kept?.message[Symbol.dispose]();
  }

  #hold(end: End): void {
    const slab = this.#held.length > 2 ? undefined : end.slabs?.loans?.lending.take(65_536);
    if (slab !== undefined) this.#held.push(slab);
    else this.#held.shift()?.release();
  }

  #deliver(to: Side, bytes: number): void {
    const { client, server } = this.pair;
    const [from, into] = to === "server" ? ([client, server] as const) : ([server, client] as const);
    if (bytes === Infinity) this.pair.deliver(from, into);
    else this.pair.deliverPart(from, into, bytes);
  }

  /** What has come is what was sent. */
  #take(): void {
    for (const exchange of this.pair.server.host.exchanges.splice(0)) {
      this.#handling.push(exchange);
      const message = exchange.message!;
      const sent = [...this.#expected.values()].find((body) => body.equals(message.bytes));
      assert.ok(sent !== undefined, "a message that nobody sent");
      this.#kept.push({ message, bytes: sent });
    }
    for (const request of this.#requests) {
      const { reply } = request;
      if (reply === undefined) continue;
      request.reply = undefined;
      const bytes = this.#replies.get(request.id)!;
      assert.ok(Buffer.from(reply.bytes).equals(bytes), "another reply");
      this.#kept.push({ message: reply, bytes });
    }
  }
}

const cases = [fc.array(step, { maxLength: 120 }), fc.boolean(), fc.array(fc.nat(400), { maxLength: 4 })] as const;

test("whatever happens, messages are what was sent, as long as they are read, and slabs come back", () => {
  fc.assert(
    fc.property(...cases, (steps, isWorthCopying, cuts) => {
      const model = new Model(isWorthCopying, cuts);
      model.pair.settle();
      for (const step of steps) {
        model.run(step);
        model.check();
      }
      model.finish();
    }),
    { numRuns: 150 },
  );
});

test("when both sides are gone at any time, nothing of it is mapped once all is given back", () => {
  fc.assert(
    fc.property(...cases, (steps, isWorthCopying, cuts) => {
      const model = new Model(isWorthCopying, cuts);
      model.pair.settle();
      for (const step of steps) model.run(step);
      model.lose();
    }),
    { numRuns: 100 },
  );
});
