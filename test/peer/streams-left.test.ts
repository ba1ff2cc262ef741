import assert from "node:assert/strict";
import { test } from "node:test";
import { EarshotError, type StreamHandler } from "../../src/index.js";
import { connect, Gate, rejection, serve, serveStreams, WIRES } from "./support.js";

const LIMIT = { timeout: 30_000 };

test(
  "who reads a message after its handler has settled gets an error, not an end that looks like one",
  LIMIT,
  async (t) => {
    const begun = new Gate();
    let read: Promise<unknown> | undefined;
    const handler: StreamHandler = async (message) => {
      const iterator = message.body[Symbol.asyncIterator]();
      await iterator.next();
      // Read on, while the handler is done with it.
      read = iterator.next().then(
        ({ done }) => `done: ${done}`,
        (error: unknown) => (error instanceof EarshotError ? error.code : error),
      );
      begun.open();
      return "enough";
    };
    const server = await serveStreams(t, handler);
    const client = await connect(t, server);
    async function* endless() {
      for (;;) {
        yield "more";
        await begun.opened;
      }
    }
    await client.send(endless()).catch(() => {});
    assert.equal(await read, "CANCELLED");
  },
);

test(
  "a handler that collects no more than so much tells its caller so by the code, and sends of its own do not",
  LIMIT,
  async (t) => {
    const other = await serve(t, () => "", { maxMessageBytes: 10 });
    const handler: StreamHandler = async (message) => {
      const { bytes } = await message.collect({ maxBytes: 100 });
      return (await (await connect(t, other)).send(bytes)).bytes;
    };
    const server = await serveStreams(t, handler);
    const client = await connect(t, server);
    assert.equal((await rejection(client.send("x".repeat(101)))).code, "MESSAGE_TOO_LARGE");
    const passedOn = await rejection(client.send("x".repeat(11)));
    assert.deepEqual([passedOn.code, passedOn.remoteCode], ["HANDLER_FAILED", "MESSAGE_TOO_LARGE"]);
  },
);

for (const wire of WIRES) {
  test(
    `${wire}: a reply that is whole on one side may have any size for a caller that reads it as it comes`,
    LIMIT,
    async (t) => {
      const reply = Buffer.alloc(300_000, "x");
      const server = await serve(t, () => reply);
      const client = await connect(t, server, { wire, maxMessageBytes: 1_000 });
      // The first answer brings the greeting, and with it what is known of the other side.
      for (let round = 0; round < 2; round++) {
        const streamed = await client.send("x", { body: "stream" });
        assert.equal((await streamed.collect()).byteLength, reply.length);
      }
    },
  );
}

test("a reply that nobody waits for any more is told so, also if nothing of it was asked for", LIMIT, async (t) => {
  const gone = new Gate();
  const left = new Gate();
  const reply = {
    next: () => Promise.reject(new Error("nobody should ask")),
    return: async () => {
      left.open();
      return { done: true as const, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  const server = await serve(t, async (_message, { signal }) => {
    signal.addEventListener("abort", gone.open);
    await gone.opened;
    return reply;
  });
  const client = await connect(t, server);
  const controller = new AbortController();
  const sent = client.send("x", { signal: controller.signal });
  await client.ping();
  controller.abort();
  assert.equal((await rejection(sent)).code, "CANCELLED");
  await left.opened;
});
