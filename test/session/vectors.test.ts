import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange, Session } from "../../src/session/session.js";
import { byteByByte, cutAt, hex, unhex } from "../support/bytes.js";
import { FakeClock } from "../support/clock.js";
import type { FakeHost, FakeRequest } from "../support/host.js";
import {
  type ConversationVector,
  conversationVectors,
  type MessageVector,
  type ViolationVector,
  violationVectors,
} from "../wire/vectors.js";
import { End, type EndOptions, makeFramed, makePlain, type Role } from "./pair.js";

const OPTIONS: EndOptions = { limits: { maxMessageBytes: 1_000, maxInFlight: 8 } };

/** All that can be seen of a session from outside, once it has had all its input. */
interface Outcome {
  readonly events: readonly string[];
  readonly outcomes: readonly string[];
  readonly written: string;
  readonly error: string | undefined;
  readonly heldBytes: number;
}

/** How the vectors' server handles a message. */
function echo(session: Session, exchange: Exchange): void {
  const { message } = exchange;
  assert.notEqual(message, undefined);
  if (message?.text() === "fail") session.fail(exchange, "HANDLER_FAILED", "as you wish", "EFAIL");
  else session.reply(exchange, message!.bytes);
}

function bodyOf({ text, hex: digits, repeat, times }: MessageVector): string | Uint8Array {
  if (digits !== undefined) return unhex(digits);
  return repeat === undefined ? (text ?? "") : repeat.repeat(times ?? 1);
}

function start(wire: string, role: Role, messages: readonly MessageVector[]): [End, FakeRequest[]] {
  const end = new End(role, new FakeClock(), wire === "framed" ? makeFramed : makePlain, OPTIONS);
  end.host.onMessage = (exchange) => echo(end.session, exchange);
  const requests = messages.map((message) => {
    const { deadlineMs = Infinity } = message;
    return end.send(bodyOf(message), end.host.now() + deadlineMs);
  });
  if (role === "client") end.flush();
  return [end, requests];
}

/** Everything comes in one turn, in these pieces; then the input ends. */
function run(wire: string, role: Role, pieces: readonly Buffer[], messages: readonly MessageVector[] = []): Outcome {
  const [end, requests] = start(wire, role, messages);
  const { host, session } = end;
  end.receive(...pieces);
  // The plain wire ends a message by ending the input.
  if (wire === "plain") end.receiveEnd();
  end.flush();
  const { heldBytes } = session;
  end.lose();
  return {
    events: host.events,
    outcomes: requests.map(({ outcome }) => outcome),
    written: hex(host.written),
    error: host.error?.message,
    heldBytes,
  };
}

function eachCut(bytes: Buffer): (readonly Buffer[])[] {
  return [...Array.from(bytes, (_, index) => cutAt(bytes, [index])), byteByByte(bytes)];
}

for (const { name, wire, messages, client, server, replies } of conversationVectors) {
  test(`a server holds the conversation: ${name}`, () => {
    const outcome = run(wire, "server", [unhex(client)]);
    assert.equal(outcome.written, server);
    assert.equal(outcome.heldBytes, 0);
    for (const pieces of eachCut(unhex(client))) assert.deepEqual(run(wire, "server", pieces), outcome);
  });

  if (messages === undefined) continue;
  test(`a client holds the conversation: ${name}`, () => {
    const outcome = run(wire, "client", [unhex(server)], messages);
    assert.equal(outcome.written, client);
    assert.deepEqual(outcome.outcomes, replies);
    for (const pieces of eachCut(unhex(server))) assert.deepEqual(run(wire, "client", pieces, messages), outcome);
  });
}

function refuse(role: Role, { hex: digits, error }: ViolationVector): void {
  const messages = role === "client" ? [{ text: "hello" }] : [];
  const bytes = unhex(digits);
  const cut = (pieces: readonly Buffer[]) => {
    const [end, requests] = start("framed", role, messages);
    end.receive(...pieces);
    end.flush();
    const { host } = end;
    assert.equal(host.error?.code, error);
    end.lose();
    const outcomes = requests.map((request) => request.outcome);
    return { events: host.events, message: host.error?.message, outcomes, written: hex(host.written) };
  };
  const outcome = cut([bytes]);
  assert.deepEqual(
    outcome.outcomes,
    messages.map(() => `${error} unknown`),
  );
  for (const pieces of eachCut(bytes)) assert.deepEqual(cut(pieces), outcome);
}

for (const vector of violationVectors) {
  for (const role of ["server", "client"] as const) {
    if (vector.receiver !== "both" && vector.receiver !== role) continue;
    test(`a ${role} refuses, however it is cut: ${vector.name}`, () => refuse(role, vector));
  }
}

test("turn by turn, with a flush after each byte, every answer is the same", () => {
  for (const { name, wire, client } of conversationVectors as readonly ConversationVector[]) {
    const at = (pieces: readonly Buffer[], isFlushedEach: boolean): FakeHost => {
      const [end] = start(wire, "server", []);
      for (const piece of pieces) {
        end.receive(piece);
        if (isFlushedEach) end.flush();
      }
      if (wire === "plain") end.receiveEnd();
      end.flush();
      return end.host;
    };
    const once = at([unhex(client)], false);
    const often = at(byteByByte(unhex(client)), true);
    assert.deepEqual(often.events, once.events, name);
    assert.equal(often.written.length, once.written.length, name);
  }
});
