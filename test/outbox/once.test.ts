import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { listen } from "../../src/index.js";
import { inbox, openOutbox } from "../../src/outbox/index.js";
import { temporaryDirectory } from "../support/temp.js";

test("with an inbox a message that comes again, also after a restart, is handled once; ids and headers arrive", async (t) => {
  const parent = temporaryDirectory(t);
  const address = join(parent, "s");
  const handled: string[] = [];
  const start = async () => {
    const seen = await inbox(join(parent, "in"));
    const handler = (
      _: unknown,
      { id, headers }: { id: string | undefined; headers: Readonly<Record<string, string>> },
    ) => {
      handled.push(`${id} ${headers.trace}`);
      return "";
    };
    const server = await listen(address, handler, { deduplicate: seen });
    return async () => {
      await server.close();
      await seen.close();
    };
  };
  let stop = await start();
  t.after(() => stop());
  const outbox = await openOutbox(join(parent, "out"), { address, retry: { minDelayMs: 5, maxDelayMs: 20 } });
  t.after(() => outbox.close());
  const post = async () => {
    await outbox.post("x", { id: "order", headers: { trace: "7" } });
    await outbox.flush();
  };
  await post();
  await post();
  await stop();
  stop = await start();
  await post();
  assert.deepEqual(handled, ["order 7"]);
});
