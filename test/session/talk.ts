import assert from "node:assert/strict";
import type { OutgoingStream } from "../../src/session/outgoing-stream.js";
import type { Exchange } from "../../src/session/session.js";
import { FakeRequest } from "../support/host.js";

export type Side = "client" | "server";

/** Bytes that repeat nowhere, so that a shift by any power of two shows. */
const SOURCE = Buffer.alloc(4_000_000);
for (let index = 0, state = 1; index < SOURCE.length; index++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  SOURCE[index] = state >>> 24;
}
const MOST_BYTES = 1_500_000;

/** What may become of a request, in this order. */
const OUTCOMES = [
  "",
  "stream",
  "reply ",
  ...["", "stream,", "reply ,"].flatMap((first) => [`${first} unsent`, `${first} unknown`]),
];

/** One direction: what was written to it, and what was read from it. */
class Direction {
  readonly #start: number;
  writtenBytes = 0;
  readBytes = 0;
  hasEnded = false;
  isStopped = false;
  /** It may have ended without having been ended: a plain side that dies looks like one that has said everything. */
  isCut = false;

  constructor(seed: number) {
    this.#start = (seed * 7_919) % 1_000_003;
  }

  next(size: number): Buffer {
    const bytes = Math.min(size, MOST_BYTES - this.writtenBytes);
    const at = this.#start + this.writtenBytes;
    this.writtenBytes += bytes;
    return SOURCE.subarray(at, at + bytes);
  }

  check(chunk: Uint8Array): void {
    const at = this.#start + this.readBytes;
    this.readBytes += chunk.length;
    assert.ok(this.readBytes <= this.writtenBytes, "more bytes than were written");
    assert.ok(SOURCE.subarray(at, at + chunk.length).equals(chunk), "bytes that changed, or are out of order");
  }

  whole(): void {
    if (this.isCut) return;
    assert.ok(this.hasEnded, "an end that was not written");
    if (!this.isStopped) assert.equal(this.readBytes, this.writtenBytes, "an end before all bytes");
  }
}

/** One exchange, as both of its users know it. */
export class Talk {
  readonly there: Direction;
  readonly back: Direction;
  readonly request: FakeRequest;
  exchange: Exchange | undefined;
  outgoing: OutgoingStream | undefined;
  isAnswered = false;
  /** The failures that may become of it. */
  readonly allowed = new Set<string>();
  #isWholeChecked = false;

  constructor(seed: number, deadlineAt: number) {
    this.there = new Direction(2 * seed);
    this.back = new Direction(2 * seed + 1);
    this.request = new FakeRequest("", deadlineAt);
    if (deadlineAt !== Infinity) this.allowed.add("TIMEOUT");
  }

  get isSettled(): boolean {
    return this.request.state === "settled";
  }

  /** Reads so many bytes, at least, of what has come to a side. */
  read(side: Side, bytes: number): void {
    const stream = side === "client" ? this.request.stream : this.exchange?.incoming;
    const direction = side === "client" ? this.back : this.there;
    if (stream === undefined) return;
    for (let left = bytes; left > 0; ) {
      const chunk = stream.read();
      if (chunk === undefined) break;
      direction.check(chunk);
      left -= chunk.length;
    }
    if (stream.hasEnded && stream.bufferedBytes === 0 && !stream.isStopped) direction.whole();
  }

  check(): void {
    const { request, exchange } = this;
    const kinds = request.outcomes.map((outcome) => /^reply |^stream$| (unsent|unknown)$/.exec(outcome)?.[0]);
    assert.ok(OUTCOMES.includes(kinds.join()), request.outcome);
    const failure = kinds.at(-1)?.startsWith(" ") ? request.outcomes.at(-1)?.split(" ")[0] : undefined;
    if (failure !== undefined) assert.ok(this.allowed.has(failure), `${request.outcome}, of ${[...this.allowed]}`);
    assert.ok(request.overs <= 1, "over twice");
    if (request.outcome.endsWith("unsent")) assert.equal(exchange, undefined, "unsent, but a handler has seen it");
    if (exchange?.message !== undefined && this.there.readBytes === 0) {
      this.there.check(exchange.message.bytes);
      this.there.whole();
    }
    if (request.reply === undefined || this.#isWholeChecked) return;
    this.#isWholeChecked = true;
    this.back.check(request.reply.bytes);
    this.back.whole();
  }
}
