import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { connect, outcome, readAll, rejection, serve, serveStreams } from "../peer/support.js";
import { because, chunks, conform } from "./support.js";

const client = async (t: TestContext, ...[handler]: Parameters<typeof tail>) =>
  connect(t, await serveStreams(t, handler));
const tail = (handler: Parameters<typeof serveStreams>[1]) => handler;

conform(
  "Basic",
  {
    "unary/success": async (t) => {
      const caller = await connect(t, await serve(t, (message) => `got ${message.text()}`));
      assert.equal(await outcome(caller.send("one")), "reply got one");
    },
    "client-stream/success": async (t) => {
      const caller = await client(t, async ({ body }) => `got ${await readAll(body)}`);
      assert.equal(await outcome(caller.send(chunks(["one", "two", "three"]))), "reply got onetwothree");
    },
    "client-stream/no-requests": async (t) => {
      const caller = await client(t, async ({ body }) => `got ${(await readAll(body)).length}`);
      assert.equal(await outcome(caller.send(chunks([]))), "reply got 0");
    },
    "server-stream/success": async (t) => {
      const caller = await connect(t, await serve(t, () => chunks(["one", "two"])));
      const reply = await caller.send("", { body: "stream" });
      assert.equal(String(await readAll(reply.body)), "onetwo");
    },
    "server-stream/no-responses": async (t) => {
      const caller = await connect(t, await serve(t, () => chunks([])));
      const reply = await caller.send("", { body: "stream" });
      assert.equal(String(await readAll(reply.body)), "");
    },
    "bidi-stream/full-duplex/success": async (t) => {
      const caller = await client(t, ({ body }) => body);
      const { readable, writable, closed } = caller.open();
      const [reader, writer] = [readable.getReader(), writable.getWriter()];
      for (const text of ["one", "two", "three"]) {
        await writer.write(Buffer.from(text));
        assert.equal(String(Buffer.from((await reader.read()).value ?? [])), text);
      }
      await writer.close();
      assert.equal((await reader.read()).done, true);
      assert.equal(await closed, undefined);
    },
    "bidi-stream/half-duplex/success": async (t) => {
      const caller = await client(t, async ({ body }) => chunks(["got ", String(await readAll(body))]));
      const reply = await caller.send(chunks(["one", "two"]), { body: "stream" });
      assert.equal(String(await readAll(reply.body)), "got onetwo");
    },
    "bidi-stream/half-duplex/no-requests": async (t) => {
      const caller = await client(t, async ({ body }) => chunks([`got ${(await readAll(body)).length}`]));
      const reply = await caller.send(chunks([]), { body: "stream" });
      assert.equal(String(await readAll(reply.body)), "got 0");
    },
    "bidi-stream/half-duplex/no-responses": async (t) => {
      const caller = await client(t, async ({ body }) => chunks([], readAll(body)));
      const reply = await caller.send(chunks(["one"]), { body: "stream" });
      assert.equal(String(await readAll(reply.body)), "");
    },
  },
  because(
    "procedures are the contract's: test/contract has unknown ones; here every message has the same handler",
    "unimplemented",
  ),
);

for (const suite of [
  "Server Empty Requests",
  "Connect Empty Responses",
  "gRPC Empty Responses",
  "gRPC-Web Empty Responses",
]) {
  const isRequest = suite === "Server Empty Requests";
  const what = isRequest ? "request" : "response";
  conform(suite, {
    [`unary/empty-${what}`]: async (t) => {
      const caller = await connect(t, await serve(t, (message) => message.bytes));
      assert.equal(await outcome(caller.send("")), "reply ");
    },
    [`client-stream/empty-${what}`]: async (t) => {
      const caller = await client(t, async ({ body }) => readAll(body));
      assert.equal(await outcome(caller.send(chunks(["", ""]))), "reply ");
    },
    [`server-stream/empty-${what}`]: async (t) => {
      const caller = await connect(t, await serve(t, (message) => chunks(["", message.text(), ""])));
      const reply = await caller.send("", { body: "stream" });
      assert.equal((await readAll(reply.body)).length, 0);
    },
    [`bidi-stream/half-duplex/empty-${what}`]: async (t) => {
      const caller = await client(t, async ({ body }) => chunks([String(await readAll(body))]));
      const reply = await caller.send(chunks([""]), { body: "stream" });
      assert.equal((await readAll(reply.body)).length, 0);
    },
  });
}

const LIMIT = 1_000;
const over = async (sending: Promise<unknown>) => assert.equal((await rejection(sending)).code, "MESSAGE_TOO_LARGE");
/** A server that takes whole messages of so many bytes, and sends them back as a stream. */
const limited = async (t: TestContext) =>
  connect(t, await serve(t, (message) => chunks([message.text()]), { maxMessageBytes: LIMIT }));
const full = "x".repeat(LIMIT);

async function exchange(t: TestContext, texts: readonly string[]): Promise<Buffer> {
  const { readable, writable } = (await limited(t)).open();
  const writer = writable.getWriter();
  for (const text of texts) await writer.write(Buffer.from(text));
  await writer.close();
  return readAll(readable as unknown as AsyncIterable<Uint8Array>);
}

// A stream to a handler that takes whole messages is one message: its limit is for all parts together.
conform("Server Message Size", {
  "unary/request-equal-to-server-limit": async (t) => {
    assert.equal(await outcome((await limited(t)).send(full)), `reply of ${LIMIT}`);
  },
  "unary/request-exceeds-server-limit": async (t) => over((await limited(t)).send(`${full}x`)),
  "client-stream/all-requests-equal-to-server-limit": async (t) => {
    const sending = (await limited(t)).send(chunks([full.slice(1), "x"]));
    assert.equal(await outcome(sending), `reply of ${LIMIT}`);
  },
  "client-stream/first-request-exceeds-server-limit": async (t) => over((await limited(t)).send(chunks([`${full}x`]))),
  "client-stream/subsequent-request-exceeds-server-limit": async (t) =>
    over((await limited(t)).send(chunks([full, "x"]))),
  "server-stream/request-equal-to-server-limit": async (t) => {
    const reply = await (await limited(t)).send(full, { body: "stream" });
    assert.equal((await readAll(reply.body)).length, LIMIT);
  },
  "server-stream/request-exceeds-server-limit": async (t) =>
    over((await limited(t)).send(`${full}x`, { body: "stream" })),
  "bidi-stream/half-duplex/all-requests-equal-to-server-limit": async (t) => {
    const reply = await (await limited(t)).send(chunks([full.slice(1), "x"]), { body: "stream" });
    assert.equal((await readAll(reply.body)).length, LIMIT);
  },
  "bidi-stream/half-duplex/first-request-exceeds-server-limit": async (t) =>
    over((await limited(t)).send(chunks([`${full}x`]), { body: "stream" })),
  "bidi-stream/half-duplex/subsequent-request-exceeds-server-limit": async (t) =>
    over((await limited(t)).send(chunks([full, "x"]), { body: "stream" })),
  "bidi-stream/full-duplex/all-requests-equal-to-server-limit": async (t) => {
    assert.equal((await exchange(t, [full.slice(1), "x"])).length, LIMIT);
  },
  "bidi-stream/full-duplex/first-request-exceeds-server-limit": async (t) => over(exchange(t, [`${full}x`])),
  "bidi-stream/full-duplex/subsequent-request-exceeds-server-limit": async (t) => over(exchange(t, [full, "x"])),
});
