import assert from "node:assert/strict";
import type { IncomingStream } from "../../src/session/incoming-stream.js";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import type { Exchange, SessionLimits } from "../../src/session/session.js";
import { type End, type EndOptions, type MakeSession, makeFramed, Pair } from "./pair.js";
import { greeting } from "./raw.js";

/** Two sessions that have greeted; the server takes messages as streams. */
export function connectStreams(make: MakeSession = makeFramed, limits: Partial<SessionLimits> = {}): Pair {
  return new Pair(make, { server: { limits: { takesStreams: true, ...limits } } }).settle();
}

/** A framed server that takes streams, and has been greeted by a raw client. */
export function streamServer(limits: Partial<SessionLimits> = {}, hello?: unknown): Pair {
  const options: EndOptions = { limits: { takesStreams: true, ...limits } };
  const pair = new Pair(makeFramed, { server: options });
  pair.server.receive(greeting(hello));
  pair.server.flush();
  pair.server.host.takeWrites();
  return pair;
}

/** A framed client that has been greeted by a raw server that takes streams, or by one that does not. */
export function streamClient(limits: { readonly windowBytes?: number } = { windowBytes: 65_536 }): Pair {
  const pair = new Pair(makeFramed);
  pair.client.flush();
  pair.client.receive(greeting({ versions: [1, 1], limits: { ...limits, maxInFlight: 64 } }));
  pair.client.flush();
  pair.client.host.takeWrites();
  return pair;
}

/** The exchange that came at this place. */
export function exchangeOf({ host }: End, index = 0): Exchange {
  const exchange = host.exchanges[index];
  assert.ok(exchange !== undefined, "no message has come");
  return exchange;
}

/** The message that came as a stream. */
export function incomingOf(end: End, index = 0): IncomingStream {
  const { incoming } = exchangeOf(end, index);
  assert.ok(incoming !== undefined, "the message is no stream");
  return incoming;
}

/** Begins an answer that is written bit by bit. */
export function answerOf(end: End, index = 0): OutgoingStream {
  const outgoing = new OutgoingStream();
  end.session.replyStream(exchangeOf(end, index), outgoing);
  return outgoing;
}

/** All that has come of a stream and was not read. */
export function readAll(stream: IncomingStream | undefined): Buffer {
  assert.ok(stream !== undefined, "there is no stream");
  const chunks: Buffer[] = [];
  for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
