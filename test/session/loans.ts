import assert from "node:assert/strict";
import type { OwnSlab } from "../../src/session/lending.js";
import type { Exchange, Lender } from "../../src/session/session.js";
import { FakeRequest } from "../support/host.js";
import { FakeMemory } from "./fake-slabs.js";
import { type End, type EndOptions, makeFramed, Pair } from "./pair.js";
import { describe } from "./raw.js";

/** Two sides that take loans, and have greeted. */
export function connect(server: EndOptions = {}, client: EndOptions = {}): { pair: Pair; memory: FakeMemory } {
  const memory = new FakeMemory();
  const pair = new Pair(makeFramed, { client: { slabs: memory, ...client }, server: { slabs: memory, ...server } });
  pair.client.send("first");
  pair.settle();
  pair.server.session.reply(pair.server.host.exchanges.shift()!, "");
  return { pair: pair.settle(), memory };
}

const taken = new WeakMap<End, OwnSlab[]>();

export function take(end: End, bytes: number): OwnSlab {
  const slab = end.slabs?.loans?.lending.take(bytes);
  assert.ok(slab !== undefined, "there is no slab");
  taken.set(end, [...(taken.get(end) ?? []), slab]);
  return slab;
}

/** As the peer does: bytes in a slab, and the slab as the lender. */
export function fill(
  item: { body: string | Uint8Array; lender: Lender | undefined },
  slab: OwnSlab,
  bytes: Buffer,
): void {
  slab.memory.bytes.set(bytes);
  item.body = slab.memory.bytes.subarray(0, bytes.length);
  item.lender = slab;
}

export function sendLoan(
  end: End,
  bytes: Buffer,
  slab = take(end, bytes.length),
  request = new FakeRequest(""),
): FakeRequest {
  fill(request, slab, bytes);
  end.session.send(request);
  return request;
}

export function replyLoan(end: End, exchange: Exchange, bytes: Buffer): void {
  fill(exchange, take(end, bytes.length), bytes);
  end.session.reply(exchange, exchange.body);
}

export class BorrowingRequest extends FakeRequest {
  override get isBorrowed(): boolean {
    return true;
  }
}

/** What one says until nothing more is to be said, without the other hearing it. */
export function saidBy(end: End): string[] {
  end.flush();
  return end.host.writes.flatMap((write) => describe(write));
}

export const bytesOf = (exchange: Exchange | undefined) => Buffer.from(exchange?.message?.bytes ?? "none");

/** Of a slab that was taken here. */
export function stateOf(end: End, number: number): string | undefined {
  return taken.get(end)?.find((slab) => slab.number === number)?.state;
}
