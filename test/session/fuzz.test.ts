import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cutAt, unhex } from "../support/bytes.js";
import { FakeClock } from "../support/clock.js";
import { FakeRequest } from "../support/host.js";
import { conversationVectors, violationVectors } from "../wire/vectors.js";
import { End, makeFramed, makePlain, type Role } from "./pair.js";
import { framesOf, goAway, greeting, openInPieces, reset } from "./raw.js";

/** How many byte strings in all. */
const RUNS = Number(process.env.EARSHOT_FUZZ_RUNS ?? 100_000);
/** What a session may say about bytes that are not as they should be. */
const DOCUMENTED = ["PROTOCOL_VIOLATION", "MESSAGE_TOO_LARGE", "VERSION_MISMATCH", "TIMEOUT"];
/** What may become of a request whose connection is lost after such bytes; GOAWAY and RESET may name any failure. */
const OUTCOMES =
  /^(reply.*|(PROTOCOL_VIOLATION|MESSAGE_TOO_LARGE|VERSION_MISMATCH|PEER_REFUSED|UNSUPPORTED|TIMEOUT|CONNECTION_LOST|CONNECTION_CLOSED|CANCELLED|HANDLER_FAILED|OVERLOADED) (unsent|unknown))$/s;

/** Something sensible to begin with. */
function transcripts(role: Role): Buffer[] {
  const heard = role === "server" ? "client" : "server";
  const framed = conversationVectors.filter(({ wire }) => wire === "framed").map((vector) => unhex(vector[heard]));
  const refused = violationVectors.filter(({ receiver }) => receiver !== heard).map((vector) => unhex(vector.hex));
  const more = [openInPieces(1, [30, 1, 200], 231), openInPieces(3, [900, 200]), reset(1, 3, "no", "E"), goAway(1, 0)];
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

function feed(wire: "framed" | "plain", role: Role, pieces: readonly Buffer[], isEnded: boolean): void {
  const limits = { maxMessageBytes: 1_000, maxInFlight: 2 };
  const end = new End(role, new FakeClock(), wire === "framed" ? makeFramed : makePlain, { limits });
  const { host, session } = end;
  const requests =
    role === "client" ? (wire === "plain" ? ["one"] : ["one", "two", "three"]).map((body) => end.send(body)) : [];
  if (role === "client" && wire === "framed") {
    const ping = new FakeRequest("");
    requests.push(ping);
    session.ping(ping);
  }
  host.onMessage = (exchange) => {
    if (host.exchanges.length % 3 === 0) session.fail(exchange, "HANDLER_FAILED", "no");
    else if (host.exchanges.length % 3 === 1) session.reply(exchange, "yes");
  };
  end.flush();
  for (const piece of pieces) {
    end.receive(piece);
    end.flush();
    if (session.nextDeadline < Infinity) {
      host.clock.advance(700);
      end.tick();
    }
  }
  if (isEnded) end.receiveEnd();
  end.flush();
  if (host.error !== undefined) assert.equal(DOCUMENTED.includes(host.error.code), true, host.error.message);
  end.lose();
  for (const { outcomes } of requests) {
    assert.equal(outcomes.length, 1, "a request that is not settled exactly once");
    assert.match(outcomes[0]!, OUTCOMES);
  }
  for (const exchange of host.exchanges) session.reply(exchange, "too late");
  assert.equal(session.heldBytes, 0);
  if (wire === "framed") framesOf(host.written);
}

for (const [wire, role, share] of [
  ["framed", "server", 0.45],
  ["framed", "client", 0.45],
  ["plain", "server", 0.05],
  ["plain", "client", 0.05],
] as const) {
  const numRuns = Math.ceil(RUNS * share);
  test(`${numRuns} byte strings make a ${wire} ${role} throw nothing, hang nowhere and lose no request`, () => {
    const property = fc.property(input(role), cuts, fc.boolean(), (bytes, offsets, isEnded) => {
      feed(wire, role, cutAt(bytes, offsets), isEnded);
    });
    fc.assert(property, { numRuns });
  });
}
