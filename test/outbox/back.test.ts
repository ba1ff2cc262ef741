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
