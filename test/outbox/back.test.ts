import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { listen } from "../../src/index.js";
import { openOutbox } from "../../src/outbox/index.js";
import { temporaryDirectory } from "../support/temp.js";
import { next } from "./support.js";

test("when its server comes back, an outbox goes on at once, however long it would wait", async (t) => {
  const parent = temporaryDirectory(t);
  const address = join(parent, "s");
  const retry = { minDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
  const reconnect = { minDelayMs: 60_000, maxDelayMs: 60_000 };
  const outbox = await openOutbox(join(parent, "out"), { address, retry, dial: { reconnect } });
  t.after(() => outbox.close());
  for (const round of [1, 2, 3]) {
    const away = next(outbox, "away");
    await outbox.post(`message ${round}`);
    assert.match((await away).error.code, /^(NO_SERVER|CONNECTION_CLOSED)$/);
    const handled: string[] = [];
    const delivered = next(outbox, "delivered");
    const server = await listen(address, (message) => void handled.push(message.text()));
    await delivered;
    assert.deepEqual(handled, [`message ${round}`]);
    await server.close();
  }
});

test("a reply of any size says that its message was handled, and is dropped", async (t) => {
  const parent = temporaryDirectory(t);
  const address = join(parent, "s");
  const handled: string[] = [];
  const replies: Record<string, () => string | AsyncIterable<Uint8Array>> = {
    large: () => "x".repeat(70_000_000),
    streamed: async function* () {
      for (let count = 0; count < 100; count++) yield Buffer.alloc(100_000);
    },
    small: () => "ok",
  };
  const server = await listen(address, (message) => {
    handled.push(message.text());
    return replies[message.text()]?.();
  });
  t.after(() => server.close());
  const outbox = await openOutbox(join(parent, "out"), { address, dial: { maxMessageBytes: 10 } as object });
  t.after(() => outbox.close());
  for (const kind of Object.keys(replies)) await outbox.post(kind);
  await outbox.flush();
  assert.deepEqual([handled.sort(), outbox.stats().dead], [["large", "small", "streamed"], 0]);
});
