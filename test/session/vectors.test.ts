import assert from "node:assert/strict";
import { test } from "node:test";
import { OutgoingStream } from "../../src/session/outgoing-stream.js";
import type { Exchange, Session } from "../../src/session/session.js";
import { encodeMeta } from "../../src/wire/meta.js";
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

const LIMITS = { maxMessageBytes: 1_000, maxInFlight: 8 };

type Kind = Pick<ConversationVector, "wire" | "streams">;

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
  const { message, incoming } = exchange;
  if (incoming !== undefined) {
    const outgoing = new OutgoingStream();
    session.replyStream(exchange, outgoing);
    incoming.onChange = () => {
      for (let chunk = incoming.read(); chunk !== undefined; chunk = incoming.read()) outgoing.write(chunk);
      if (incoming.hasEnded) session.endReply(exchange);
    };
    incoming.onChange();
    return;
  }
  assert.notEqual(message, undefined);
  if (message?.text() === "fail") session.fail(exchange, "HANDLER_FAILED", "as you wish", "EFAIL");
  else session.reply(exchange, message!.bytes);
}

function bodyOf({ text, hex: digits, repeat, times }: MessageVector): string | Uint8Array {
  if (digits !== undefined) return unhex(digits);
  return repeat === undefined ? (text ?? "") : repeat.repeat(times ?? 1);
}

function start({ wire, streams = false }: Kind, role: Role, messages: readonly MessageVector[]): [End, FakeRequest[]] {
  const hello = role === "server" && streams ? { limits: { ...LIMITS, windowBytes: 65_536 } } : {};
  const options: EndOptions = { limits: { ...LIMITS, takesStreams: role === "server" && streams }, hello };
  const end = new End(role, new FakeClock(), wire === "framed" ? makeFramed : makePlain, options);
  end.host.onMessage = (exchange) => echo(end.session, exchange);
  const requests = messages.map((message) => {
    const { deadlineMs = Infinity, stream, body } = message;
    const deadlineAt = end.host.now() + deadlineMs;
    if (stream === undefined && body === undefined) return identify(end.send(bodyOf(message), deadlineAt), message);
    if (stream === undefined) return end.ask(bodyOf(message), deadlineAt);
    const request = body === undefined ? end.sendStream(deadlineAt) : end.open(deadlineAt);
    for (const piece of stream) {
      request.outgoing.write(Buffer.from(piece));
      end.flush();
    }
    request.outgoing.end();
    return request;
  });
  if (role === "client") end.flush();
  return [end, requests];
}

/** Its id and headers; it leaves with the next flush. */
function identify(request: FakeRequest, { id, headers = {} }: MessageVector): FakeRequest {
  const meta = id === undefined ? undefined : encodeMeta({ id, headers });
  assert.notEqual(typeof meta, "string");
  request.metaBytes = meta as Uint8Array | undefined;
  return request;
}

/** Everything comes in one turn, in these pieces; then the input ends. */
function run(kind: Kind, role: Role, pieces: readonly Buffer[], messages: readonly MessageVector[] = []): Outcome {
  const { wire } = kind;
  const [end, requests] = start(kind, role, messages);
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

for (const vector of conversationVectors) {
  const { name, messages, client, server, replies } = vector;
  test(`a server holds the conversation: ${name}`, () => {
    const outcome = run(vector, "server", [unhex(client)]);
    assert.equal(outcome.written, server);
    assert.equal(outcome.heldBytes, 0);
    for (const pieces of eachCut(unhex(client))) assert.deepEqual(run(vector, "server", pieces), outcome);
  });

  if (messages === undefined) continue;
  test(`a client holds the conversation: ${name}`, () => {
    const outcome = run(vector, "client", [unhex(server)], messages);
    assert.equal(outcome.written, client);
    assert.deepEqual(outcome.outcomes, replies);
    for (const pieces of eachCut(unhex(server))) assert.deepEqual(run(vector, "client", pieces, messages), outcome);
  });
}

function refuse(role: Role, { hex: digits, error, streams = false }: ViolationVector): void {
  const asked: MessageVector = streams ? { text: "hello", body: "stream" } : { text: "hello" };
  const messages = role === "client" ? [asked] : [];
  const bytes = unhex(digits);
  const cut = (pieces: readonly Buffer[]) => {
    const [end, requests] = start({ wire: "framed", streams }, role, messages);
    end.receive(...pieces);
    end.flush();
    const { host } = end;
    assert.equal(host.error?.code, error);
    end.lose();
    const outcomes = requests.map((request) => request.outcome);
    return { events: host.events, message: host.error?.message, outcomes, written: hex(host.written) };
  };
  const outcome = cut([bytes]);
  // A reply that has begun as a stream is broken off.
  for (const each of outcome.outcomes) assert.match(each, new RegExp(`^(stream, )?${error} unknown$`));
  for (const pieces of eachCut(bytes)) assert.deepEqual(cut(pieces), outcome);
}

for (const vector of violationVectors) {
  for (const role of ["server", "client"] as const) {
    if (vector.receiver !== "both" && vector.receiver !== role) continue;
    test(`a ${role} refuses, however it is cut: ${vector.name}`, () => refuse(role, vector));
  }
}

test("turn by turn, with a flush after each byte, every answer is the same", () => {
  for (const vector of conversationVectors) {
    const { name, wire, client } = vector;
    const at = (pieces: readonly Buffer[], isFlushedEach: boolean): FakeHost => {
      const [end] = start(vector, "server", []);
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
    // What is written to a stream leaves with the next flush, so that more flushes make more frames.
    if (vector.streams !== true) assert.equal(often.written.length, once.written.length, name);
  }
});
