import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Client, Context, StreamedMessage } from "../../src/index.js";
import { aborted, connect, Gate, readAll, rejection, serveStreams } from "../peer/support.js";
import { chunks, conform, unfinished } from "./support.js";

/** A server that says when it has begun, answers with a few bytes if it is asked to, and never ends by itself. */
interface Scene {
  readonly client: Client;
  readonly begun: Promise<void>;
  /** The reason that the handler's signal has when its caller is gone. */
  readonly gone: Promise<unknown>;
}

async function scene(t: TestContext, replies: readonly string[]): Promise<Scene> {
  const begun = new Gate();
  let onGone: (reason: unknown) => void = () => {};
  const gone = new Promise<unknown>((resolve) => {
    onGone = resolve;
  });
  const server = await serveStreams(t, (_message: StreamedMessage, { signal }: Context) => {
    const leaving = aborted(signal).then(onGone);
    begun.open();
    return replies.length === 0 ? leaving.then(() => "nobody gets this") : chunks(replies, leaving);
  });
  return { client: await connect(t, server), begun: begun.opened, gone };
}

/** The caller gives up: it gets CANCELLED with its own reason, and the handler is told. */
async function cancels(sending: Promise<unknown>, controller: AbortController, { begun, gone }: Scene): Promise<void> {
  const rejected = rejection(sending);
  await begun;
  controller.abort(new Error("enough"));
  const error = await rejected;
  assert.deepEqual([error.code, error.delivery, (error.cause as Error).message], ["CANCELLED", "unknown", "enough"]);
  assert.match(String(await gone), /CANCELLED|given up/);
}

/** The same once the reply has begun. */
async function cancelsAfterReplies(
  sending: Promise<StreamedMessage>,
  controller: AbortController,
  scene: Scene,
): Promise<void> {
  const body = (await sending).body[Symbol.asyncIterator]();
  assert.equal(String(Buffer.from((await body.next()).value ?? [])), "one");
  await cancels(Promise.resolve(body.next()), controller, scene);
}

async function full(t: TestContext, replies: readonly string[], isEnded: boolean): Promise<void> {
  const played = await scene(t, replies);
  const controller = new AbortController();
  const { readable, writable, closed } = played.client.open({ signal: controller.signal });
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  writer.closed.catch(() => {});
  await writer.write(Buffer.from("a"));
  if (isEnded) await writer.close();
  if (replies.length > 0) assert.equal(String(Buffer.from((await reader.read()).value ?? [])), "one");
  await cancels(reader.read(), controller, played);
  assert.equal((await closed)?.code, "CANCELLED");
}

const begin = () => {
  const controller = new AbortController();
  return { controller, signal: controller.signal };
};

conform("Client Cancellation", {
  "unary/cancel-after-close-send": async (t) => {
    const played = await scene(t, []);
    const { controller, signal } = begin();
    await cancels(played.client.send("a", { signal }), controller, played);
  },
  "client-stream/cancel-before-close-send": async (t) => {
    const played = await scene(t, []);
    const { controller, signal } = begin();
    const { source, left } = unfinished("a");
    await cancels(played.client.send(source, { signal }), controller, played);
    await left;
  },
  "client-stream/cancel-after-close-send": async (t) => {
    const played = await scene(t, []);
    const { controller, signal } = begin();
    await cancels(played.client.send(chunks(["a", "b"]), { signal }), controller, played);
  },
  "server-stream/cancel-after-close-send": async (t) => {
    const played = await scene(t, []);
    const { controller, signal } = begin();
    await cancels(played.client.send("a", { signal, body: "stream" }), controller, played);
  },
  "server-stream/cancel-after-responses": async (t) => {
    const played = await scene(t, ["one"]);
    const { controller, signal } = begin();
    await cancelsAfterReplies(played.client.send("a", { signal, body: "stream" }), controller, played);
  },
  "bidi-stream/full-duplex/cancel-after-responses": (t) => full(t, ["one"], false),
  "bidi-stream/full-duplex/cancel-before-close-send": (t) => full(t, [], false),
  "bidi-stream/full-duplex/cancel-after-close-send": (t) => full(t, [], true),
  "bidi-stream/half-duplex/cancel-after-responses": async (t) => {
    const played = await scene(t, ["one"]);
    const { controller, signal } = begin();
    const sending = played.client.send(chunks(["a"]), { signal, body: "stream" });
    await cancelsAfterReplies(sending, controller, played);
  },
  "bidi-stream/half-duplex/cancel-before-close-send": async (t) => {
    const played = await scene(t, []);
    const { controller, signal } = begin();
    const { source, left } = unfinished("a");
    await cancels(played.client.send(source, { signal, body: "stream" }), controller, played);
    await left;
  },
  "bidi-stream/half-duplex/cancel-after-close-send": async (t) => {
    const played = await scene(t, []);
    const { controller, signal } = begin();
    await cancels(played.client.send(chunks(["a"]), { signal, body: "stream" }), controller, played);
  },
});

const TIMEOUT_MS = 40;

/** The time is up: the caller gets TIMEOUT, and the handler is told. */
async function timesOut(sending: Promise<unknown>, { begun, gone }: Scene): Promise<void> {
  const error = await rejection(sending);
  assert.equal(error.code, "TIMEOUT");
  await begun;
  assert.match(String(await gone), /deadline|TIMEOUT|given up/);
}

conform("Timeouts", {
  unary: async (t) => {
    const played = await scene(t, []);
    await timesOut(played.client.send("a", { timeoutMs: TIMEOUT_MS }), played);
  },
  "client-stream": async (t) => {
    const played = await scene(t, []);
    const { source, left } = unfinished("a");
    await timesOut(played.client.send(source, { timeoutMs: TIMEOUT_MS }), played);
    await left;
  },
  "server-stream": async (t) => {
    const played = await scene(t, ["one"]);
    const reply = await played.client.send("a", { timeoutMs: TIMEOUT_MS, body: "stream" });
    await timesOut(readAll(reply.body), played);
  },
  "bidi-stream/full-duplex": async (t) => {
    const played = await scene(t, ["one"]);
    const { readable, writable } = played.client.open({ timeoutMs: TIMEOUT_MS });
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    await writer.write(Buffer.from("a"));
    await timesOut(readAll(readable as unknown as AsyncIterable<Uint8Array>), played);
  },
  "bidi-stream/half-duplex": async (t) => {
    const played = await scene(t, []);
    await timesOut(played.client.send(chunks(["a"]), { timeoutMs: TIMEOUT_MS, body: "stream" }), played);
  },
});

/** A handler that is done in time, and what its signal says then. */
async function inTime(t: TestContext): Promise<Client> {
  const server = await serveStreams(t, async ({ body }, { signal }) => {
    const bytes = await readAll(body);
    assert.equal(signal.aborted, false);
    return chunks([String(bytes)]);
  });
  return connect(t, server);
}

// How the time that is left travels is pinned by test/session/framed-output.test.ts; that it ends the handler, above.
conform("Deadline Propagation", {
  "unary/success": async (t) => {
    assert.equal((await (await inTime(t)).send("a", { timeoutMs: 60_000 })).text(), "a");
  },
  "client-stream/success": async (t) => {
    assert.equal((await (await inTime(t)).send(chunks(["a", "b"]), { timeoutMs: 60_000 })).text(), "ab");
  },
  "server-stream/success": async (t) => {
    const reply = await (await inTime(t)).send("a", { timeoutMs: 60_000, body: "stream" });
    assert.equal(String(await readAll(reply.body)), "a");
  },
  "bidi-stream/full-duplex/success": async (t) => {
    const { readable, writable } = (await inTime(t)).open({ timeoutMs: 60_000 });
    const writer = writable.getWriter();
    await writer.write(Buffer.from("a"));
    await writer.close();
    assert.equal(String(await readAll(readable as unknown as AsyncIterable<Uint8Array>)), "a");
  },
});
