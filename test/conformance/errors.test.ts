import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { EarshotError, StreamHandler } from "../../src/index.js";
import { connect, Gate, readAll, rejection, serve, serveStreams } from "../peer/support.js";
import { because, chunks, conform } from "./support.js";

/** The codes of the suite. Here a handler's own code is any text, and arrives as it was thrown. */
const CODES = [
  "canceled",
  "unknown",
  "invalid-argument",
  "deadline-exceeded",
  "not-found",
  "already-exists",
  "permission-denied",
  "resource-exhausted",
  "failed-precondition",
  "aborted",
  "out-of-range",
  "unimplemented",
  "internal",
  "unavailable",
  "data-loss",
  "unauthenticated",
];

class Refused extends Error {
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

/** It is told as the handler's failure, with its code and text, and the message may have been handled. */
function assertRefused(error: EarshotError, code: string, text: string): void {
  assert.deepEqual([error.code, error.remoteCode, error.delivery], ["HANDLER_FAILED", code, "unknown"]);
  assert.ok(error.message.includes(text), error.message);
}

/** The failure of the body, after these bytes. */
async function readUntilFailure(
  body: AsyncIterable<Uint8Array>,
  expected: string,
  failNow: () => void,
): Promise<EarshotError> {
  let read = "";
  const reading = (async () => {
    for await (const chunk of body) {
      read += Buffer.from(chunk);
      if (read === expected) failNow();
    }
  })();
  const error = await rejection(reading);
  assert.equal(read, expected);
  return error;
}

async function* failing(texts: readonly string[], until: Promise<void>, code: string, text: string) {
  yield* texts;
  await until;
  throw new Refused(code, text);
}

async function unary(t: TestContext, code: string, text: string): Promise<void> {
  const server = await serve(t, () => {
    throw new Refused(code, text);
  });
  assertRefused(await rejection((await connect(t, server)).send("a")), code, text);
}

async function serverStream(t: TestContext, code: string, text: string): Promise<void> {
  const server = await serve(t, () => failing([], Promise.resolve(), code, text));
  assertRefused(await rejection((await connect(t, server)).send("a", { body: "stream" })), code, text);
}

/** @param responses come before the failure */
async function fails(t: TestContext, isFull: boolean, isStream: boolean, responses: readonly string[]): Promise<void> {
  const gate = new Gate();
  const handler: StreamHandler = async ({ body }) => {
    if (!isFull) await readAll(body);
    return failing(responses, responses.length === 0 ? Promise.resolve() : gate.opened, "EINTERNAL", "it broke");
  };
  const client = await connect(t, await serveStreams(t, handler));
  let body: AsyncIterable<Uint8Array>;
  if (isFull) {
    const { readable, writable } = client.open();
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    await writer.write(Buffer.from("a"));
    body = readable as unknown as AsyncIterable<Uint8Array>;
  } else {
    const sending = client.send(isStream ? chunks(["a", "b"]) : "a", { body: "stream" });
    if (responses.length === 0) {
      assertRefused(await rejection(sending), "EINTERNAL", "it broke");
      return;
    }
    body = (await sending).body;
  }
  assertRefused(await readUntilFailure(body, responses.join(""), gate.open), "EINTERNAL", "it broke");
}

async function clientStream(t: TestContext, texts: readonly string[]): Promise<void> {
  const server = await serveStreams(t, async ({ body }) => {
    assert.equal(String(await readAll(body)), texts.join(""));
    throw new Refused("EINTERNAL", "it broke");
  });
  assertRefused(await rejection((await connect(t, server)).send(chunks(texts))), "EINTERNAL", "it broke");
}

conform(
  "Errors",
  {
    ...Object.fromEntries(
      CODES.flatMap((code) => [
        [`unary/${code}`, (t: TestContext) => unary(t, code, `${code} it is`)],
        [`server-stream/${code}`, (t: TestContext) => serverStream(t, code, `${code} it is`)],
      ]),
    ),
    "unary/unicode-error-message": (t) => unary(t, "EUNICODE", "Größe überschritten: 日本語 🎧 \u{1F600}"),
    "server-stream/error-with-responses": (t) => fails(t, false, false, ["one", "two"]),
    "server-stream/error-with-no-responses": (t) => fails(t, false, false, []),
    "client-stream/error-one-request": (t) => clientStream(t, ["one"]),
    "client-stream/error-multiple-requests": (t) => clientStream(t, ["one", "two", "three"]),
    "bidi-stream/full-duplex/error-with-responses": (t) => fails(t, true, true, ["one", "two"]),
    "bidi-stream/full-duplex/error-no-responses": (t) => fails(t, true, true, []),
    "bidi-stream/half-duplex/error-with-responses": (t) => fails(t, false, true, ["one", "two"]),
    "bidi-stream/half-duplex/error-with-no-responses": (t) => fails(t, false, true, []),
  },
  because(
    "a failure has a code and a text and nothing else; errors with data are the contract's, and tested there",
    "unary/error-with-metadata",
    "server-stream/error-with-metadata",
    "client-stream/error-with-metadata",
    "bidi-stream/error-with-metadata",
  ),
);
