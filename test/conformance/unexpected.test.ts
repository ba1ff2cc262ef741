import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { TestContext } from "node:test";
import { type Client, dial } from "../../src/index.js";
import { cut, outcome, readAll, rejection, serve, socketPath } from "../peer/support.js";
import { END, frame, greeting, open, Raw, TYPE } from "../support/raw.js";
import { CASES } from "./cases.js";
import { because, chunks, conform, unfinished } from "./support.js";

/** A client of a server that answers its first bytes with these frames, and perhaps hangs up. */
async function clientOf(t: TestContext, frames: readonly Buffer[], hangsUp: boolean): Promise<Client> {
  const path = socketPath(t);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      const bytes = Buffer.concat([greeting(), ...frames]);
      if (hangsUp) socket.end(bytes);
      else socket.write(bytes);
    });
    t.after(() => void socket.destroy());
  });
  t.after(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = await dial(path, { reconnect: false });
  t.after(() => cut(client));
  return client;
}

const data = (flags: number, body: string) => frame(TYPE.DATA, flags, 1, body);
const twice = [data(END, "first"), data(END, "second")];

const multiple = async (t: TestContext) => {
  const client = await clientOf(t, twice, false);
  assert.equal(await outcome(client.send("a")), "reply first");
};
const multipleToStream = async (t: TestContext) => {
  const client = await clientOf(t, twice, false);
  assert.equal(await outcome(client.send(unfinished("a").source)), "reply first");
  assert.equal((await client.closed)?.code, "PROTOCOL_VIOLATION");
};
const noEndToStream = async (t: TestContext) => {
  const client = await clientOf(t, [data(0, "half")], true);
  assert.equal(await outcome(client.send(chunks(["a"]))), "CONNECTION_LOST unknown");
};
const noEnd = async (t: TestContext) => {
  const client = await clientOf(t, [data(0, "half")], true);
  const reply = await client.send("a", { body: "stream" });
  assert.equal((await rejection(readAll(reply.body))).code, "CONNECTION_LOST");
};
const noEndToHalf = async (t: TestContext) => {
  const client = await clientOf(t, [data(0, "half")], true);
  const reply = await client.send(chunks(["a"]), { body: "stream" });
  assert.equal((await rejection(readAll(reply.body))).code, "CONNECTION_LOST");
};

const NO_HTTP = "there are no headers, content types, verbs or URIs: a message is bytes";
const NO_CODEC = "a message is bytes: codecs are the contract's, named in its greeting and tested there";
const NO_COMPRESSION = "nothing is compressed between two programs on one machine";
const NO_STATUS = "there is no status besides the frames: END is success, RESET is failure";
const EMPTY_IS_REPLY = "a reply without bytes is a reply: it acknowledges the message (see the empty responses)";

const codecs = ["unexpected-codec"];
const compression = ["unexpected-compression", "unexpected-compressed-message"];

conform(
  "Connect Unexpected Responses",
  {
    "client-stream/multiple-responses": multipleToStream,
    "client-stream/no-end-stream": noEndToStream,
    "server-stream/no-end-stream": noEnd,
    "bidi-stream/half-duplex/no-end-stream": noEndToHalf,
  },
  {
    ...because(EMPTY_IS_REPLY, "client-stream/ok-but-no-response"),
    ...because(NO_HTTP, "unexpected-error-body", "unexpected-content-type"),
    ...because(NO_CODEC, ...codecs, "unexpected-stream-codec"),
    ...because(NO_COMPRESSION, ...compression),
  },
);

conform(
  "gRPC Unexpected Responses",
  { "unary/multiple-responses": multiple, "client-stream/multiple-responses": multipleToStream },
  {
    ...because(EMPTY_IS_REPLY, "unary/ok-but-no-response", "client-stream/ok-but-no-response"),
    ...because(
      NO_STATUS,
      "missing-status",
      "trailers-only/ignore-header-if-body-present",
      "trailers-only/ignore-header-if-trailer-present",
    ),
    ...because(NO_HTTP, "unexpected-content-type"),
    ...because(NO_CODEC, ...codecs),
    ...because(NO_COMPRESSION, ...compression),
  },
);

conform(
  "gRPC-Web Unexpected Responses",
  {
    "trailers-in-body/unary/multiple-responses": multiple,
    "trailers-in-body/client-stream/multiple-responses": multipleToStream,
  },
  {
    ...because(
      EMPTY_IS_REPLY,
      "trailers-in-body/unary/ok-but-no-response",
      "trailers-in-body/client-stream/ok-but-no-response",
      "trailers-only/unary/ok-but-no-response",
      "trailers-only/client-stream/ok-but-no-response",
    ),
    ...because(
      NO_STATUS,
      "trailers-in-body/missing-status",
      "trailers-only/missing-status",
      "trailers-only/ignore-header-if-body-present",
    ),
    ...because(NO_HTTP, "unexpected-content-type"),
    ...because(NO_CODEC, ...codecs),
    ...because(NO_COMPRESSION, ...compression),
  },
);

/** A caller that sends more than one message on an exchange is cut off, and its handler sees only the first. */
const multipleRequests = async (t: TestContext) => {
  const seen: string[] = [];
  const server = await serve(t, (message) => {
    seen.push(message.text());
    return new Promise<string>(() => {});
  });
  const raw = await Raw.connect(t, server.address);
  raw.socket.write(Buffer.concat([greeting(), open(1, "first"), frame(TYPE.DATA, END, 1, "second")]));
  await raw.ended;
  assert.deepEqual(seen, ["first"]);
};

const NO_REQUEST =
  "an exchange begins with its message; one without bytes is an empty message (see the empty requests)";
for (const [suite, kinds] of [
  ["Connect Unexpected Requests", ["server-stream"]],
  ["gRPC Unexpected Requests", ["unary", "server-stream"]],
  ["gRPC-Web Unexpected Requests", ["unary", "server-stream"]],
] as const) {
  conform(suite, Object.fromEntries(kinds.map((kind) => [`${kind}/multiple-requests`, multipleRequests])), {
    ...because(NO_REQUEST, ...kinds.map((kind) => `${kind}/no-request`)),
    ...because(NO_HTTP, "unexpected-verb", "unexpected-uri"),
    ...because(NO_CODEC, ...codecs),
    ...because(NO_COMPRESSION, ...compression),
  });
}

for (const [suite, reason] of [
  ["HTTP to RPC Code Mapping", NO_HTTP],
  ["Unexpected Responses", NO_HTTP],
  ["Unexpected Requests", NO_HTTP],
  ["Connect to HTTP Code Mapping", `${NO_HTTP}; the codes themselves are in the suite Errors`],
  ["Connect with GET", NO_HTTP],
  ["Connect Compressed Error and End-Stream", NO_COMPRESSION],
  [
    "Connect Error and End-Stream",
    "a failure is not JSON: RESET has a code, a handler's code and a text (test/wire/failure.test.ts)",
  ],
  ["Duplicate Metadata", "messages have no headers; those of calls are the contract's, and tested there"],
  ["gRPC Proto Sub-Format Responses", NO_CODEC],
  ["gRPC Proto Sub-Format Requests", NO_CODEC],
  ["gRPC-Web Proto Sub-Format Responses", NO_CODEC],
  ["gRPC-Web Proto Sub-Format Requests", NO_CODEC],
  ["gRPC Trailers", NO_STATUS],
  ["gRPC-Web Trailers", NO_STATUS],
  ["gRPC-Web Compressed Trailers", NO_COMPRESSION],
  ["TLS Client Certs", "the kernel knows who is at the other end: no certificates (test/peer/credentials.test.ts)"],
] as const) {
  conform(suite, {}, because(reason, ...(CASES[suite] ?? [])));
}
