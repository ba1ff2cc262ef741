import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import type { Exchange } from "../../src/session/session.js";
import { FailureCode } from "../../src/wire/failure.js";
import { cutAt, pattern, unhex } from "../support/bytes.js";
import { FakeClock } from "../support/clock.js";
import { FakeRequest } from "../support/host.js";
import { conversationVectors, violationVectors } from "../wire/vectors.js";
import { End, makeFramed, makePlain, type Role } from "./pair.js";
import { credit, END, frame, framesOf, goAway, greeting, openInPieces, reset, stop, TYPE, WINDOW } from "./raw.js";

/** How many byte strings in all. */
const RUNS = Number(process.env.EARSHOT_FUZZ_RUNS ?? 100_000);
/** What a session may say about bytes that are not as they should be. */
const DOCUMENTED = ["PROTOCOL_VIOLATION", "MESSAGE_TOO_LARGE", "VERSION_MISMATCH", "TIMEOUT"];
/** What may become of a request whose connection is lost after such bytes; GOAWAY and RESET may name any failure. */
const FAILURES = [...Object.keys(FailureCode), "CONNECTION_LOST"].join("|");
const OUTCOMES = new RegExp(`^(reply.*|stream|(${FAILURES}) (unsent|unknown))$`, "s");

/** Something sensible to begin with. */
function transcripts(role: Role): Buffer[] {
  const type = role === "server" ? TYPE.OPEN : TYPE.DATA;
  const asked = frame(type, role === "server" ? WINDOW : 0, 1, Buffer.concat([Buffer.from([0, 0, 1, 0]), pattern(40)]));
  const streamed = [asked, frame(TYPE.DATA, 0, 1, pattern(300)), credit(1, 70_000), stop(1), frame(TYPE.DATA, END, 1)];
  const heard = role === "server" ? "client" : "server";
  const framed = conversationVectors.filter(({ wire }) => wire === "framed").map((vector) => unhex(vector[heard]));
  const refused = violationVectors.filter(({ receiver }) => receiver !== heard).map((vector) => unhex(vector.hex));
  const more = [
    Buffer.concat(streamed),
    Buffer.concat(streamed.slice(0, 4)),
    openInPieces(1, [30, 1, 200], 231),
    openInPieces(3, [900, 200]),
    reset(1, 3, "no", "E"),
    goAway(1, 0),
  ];
  return [...framed, ...refused, ...more.map((bytes) => Buffer.concat([greeting(), bytes]))];
}

interface Edit {
  readonly kind: "flip" | "insert" | "delete" | "truncate" | "repeat";
  readonly at: number;
  readonly value: number;
  readonly length: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "flip", "insert", "delete", "truncate", "repeat"),
  at: fc.nat(1_500),
  value: fc.nat(255),
  length: fc.integer({ min: 1, max: 40 }),
});

function apply(bytes: Buffer, { kind, at: place, value, length }: Edit): Buffer {
  const at = place % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case "flip":
      return Buffer.concat([before, after.map((byte, index) => (index === 0 ? byte ^ value : byte))]);
    case "insert":
      return Buffer.concat([before, Buffer.alloc(length, value), after]);
    case "delete":
      return Buffer.concat([before, after.subarray(length)]);
    case "truncate":
      return before;
    case "repeat":
      return Buffer.concat([before, after.subarray(0, length), after]);
  }
}

const cuts = fc.array(fc.nat(1_500), { maxLength: 4 });
const noise = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes));

function input(role: Role): fc.Arbitrary<Buffer> {
  const mutated = fc
    .tuple(fc.constantFrom(...transcripts(role)), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([bytes, edits]) => edits.reduce(apply, bytes));
  const greeted = noise.map((bytes) => Buffer.concat([greeting(), bytes]));
  return fc.oneof(
    { weight: 7, arbitrary: mutated },
    { weight: 1, arbitrary: greeted },
    { weight: 1, arbitrary: noise },
  );
}

function feed(wire: "framed" | "plain", role: Role, pieces: readonly Buffer[], isEnded: boolean, seed: number): void {
  // Half of the servers take streams, half of the clients send them and ask for them.
  const isStreamed = seed % 2 === 1;
  const limits = { maxMessageBytes: 1_000, maxInFlight: 2, takesStreams: isStreamed && role === "server" };
  const end = new End(role, new FakeClock(), wire === "framed" ? makeFramed : makePlain, { limits });
  const { host, session } = end;
  const requests = role === "client" ? begin(end, wire === "plain" ? 1 : 3, isStreamed) : [];
  if (role === "client" && wire === "framed") {
    const ping = new FakeRequest("");
    requests.push(ping);
    session.ping(ping);
  }
  host.onMessage = (exchange) => answer(end, exchange, seed);
  end.flush();
  for (const piece of pieces) {
    end.receive(piece);
    if (seed % 3 > 0) readAll(end, requests);
    end.flush();
    if (session.nextDeadline < Infinity) {
      host.clock.advance(700);
      end.tick();
    }
  }
  if (isEnded) end.receiveEnd();
  end.flush();
  // A plain server that ends before it has the whole message has not taken it.
  const documented = wire === "plain" ? [...DOCUMENTED, "CONNECTION_LOST"] : DOCUMENTED;
  if (host.error !== undefined) assert.equal(documented.includes(host.error.code), true, host.error.message);
  end.lose();
  for (const { outcomes, isStreamed, outgoing, overs } of requests) {
    const [first, failure] = outcomes;
    const isLater =
      failure !== undefined && (isStreamed || outgoing !== undefined) && !/(unsent|unknown)$/.test(first!);
    assert.equal(outcomes.length, isLater ? 2 : 1, `not settled exactly once: ${outcomes.join()}`);
    for (const outcome of outcomes) assert.match(outcome, OUTCOMES);
    assert.ok(outgoing === undefined || outgoing.isOver || overs === 1, "a stream that never ends");
  }
  for (const exchange of host.exchanges) session.reply(exchange, "too late");
  for (const exchange of host.exchanges) session.endReply(exchange);
  readAll(end, requests);
  assert.equal(session.heldBytes, 0);
  if (wire === "framed") framesOf(host.written);
}

function begin(end: End, count: number, isStreamed: boolean): FakeRequest[] {
  const bodies = ["one", "two", "three"].slice(0, count);
  if (!isStreamed) return bodies.map((body) => end.send(body));
  return bodies.map((body, index) => {
    if (index === 2) return end.ask(body);
    const request = index === 0 ? end.open() : end.sendStream();
    request.outgoing.write(Buffer.from(body));
    return request;
  });
}

/** Whole, as a stream, as a failure, or not at all. */
function answer(end: End, exchange: Exchange, seed: number): void {
  const { session } = end;
  const how = (end.host.exchanges.length + seed) % 5;
  if (how === 0) session.fail(exchange, "HANDLER_FAILED", "no");
  else if (how === 1) session.reply(exchange, "yes");
  else if (how === 2) {
    const outgoing = new OutgoingStream();
    session.replyStream(exchange, outgoing);
    outgoing.write(Buffer.from("streamed"));
    if (seed % 4 === 0) session.endReply(exchange);
    else outgoing.write(Buffer.alloc(100_000));
  } else if (how === 3) exchange.incoming?.stop();
}

function readAll({ host }: End, requests: readonly FakeRequest[]): void {
  const streams = [...host.exchanges.map(({ incoming }) => incoming), ...requests.map(({ stream }) => stream)];
  for (const stream of streams) while (stream?.read() !== undefined);
}

for (const [wire, role, share] of [
  ["framed", "server", 0.45],
  ["framed", "client", 0.45],
  ["plain", "server", 0.05],
  ["plain", "client", 0.05],
] as const) {
  const numRuns = Math.ceil(RUNS * share);
  test(`${numRuns} byte strings make a ${wire} ${role} throw nothing, hang nowhere and lose no request`, () => {
    const property = fc.property(input(role), cuts, fc.boolean(), fc.nat(59), (bytes, offsets, isEnded, seed) => {
      feed(wire, role, cutAt(bytes, offsets), isEnded, seed);
    });
    fc.assert(property, { numRuns });
  });
}
