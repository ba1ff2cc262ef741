/** For each way to send: what becomes of a message whose sender is killed, when the next process sends it with the same id. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BeginOrder } from "../fixtures/chaos-sender.js";
import { Child } from "../support/children.js";
import { compileWithPackages } from "../support/programs.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };
const cleanups: (() => unknown)[] = [];
let programs = { sender: "", server: "" };

before(async () => {
  const cleanup = { after: (action: unknown) => void cleanups.push(action as () => unknown) };
  const [sender, server] = await Promise.all([
    compileWithPackages(cleanup, "chaos-sender"),
    compileWithPackages(cleanup, "chaos-server"),
  ]);
  programs = { sender, server };
});
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

/** Who comes to the point where the sender is killed, and what the sender has written down by then. */
const MOMENTS = [
  ["outbox", "memory", "before post has resolved", "sender", "posting", "posting"],
  ["outbox", "memory", "when post has resolved", "sender", "accepted", "posting"],
  ["outbox", "memory", "while the handler works", "server", "working", "posting, accepted"],
  ["outbox", "memory", "when it is answered", "server", "answered", "posting, accepted"],
  ["outbox", "memory", "when it knows that it is delivered", "sender", "delivered", "posting, accepted"],
  ["outbox", "inbox", "while the handler works", "server", "working", "posting, accepted"],
  ["outbox", "inbox", "when it is answered", "server", "answered", "posting, accepted"],
  ["idempotent", "memory", "before it has left", "sender", "posting", "posting"],
  ["idempotent", "memory", "while the handler works", "server", "working", "posting"],
  ["idempotent", "memory", "when it is answered", "server", "answered", "posting"],
] as const;

for (const [by, memory, moment, party, at, noted] of MOMENTS) {
  const way = by === "outbox" ? `outbox${memory === "inbox" ? " and inbox" : ""}` : `retry ${by}`;
  test(
    `${way}: the sender is killed ${moment}: the next one gets it done, and it is handled once`,
    LIMIT,
    async (t) => {
      const directory = temporaryDirectory(t);
      const file = (name: string) => join(directory, name);
      const address = file("s");
      const log = file("sent");
      const how = { by, durability: "process", lane: "auto", keys: ["a"] } as const;
      const begin: BeginOrder = { address, log, outbox: file("outbox"), ...how };
      const server = await Child.startCompiled(t, programs.server);
      const inbox = memory === "inbox" ? file("inbox") : undefined;
      await server.call("serve", { address, log: file("served"), inbox });
      const sender = await Child.startCompiled(t, programs.sender);
      await sender.call("begin", begin);
      await (party === "sender" ? sender : server).call("trap", { at, nth: 1, pids: [sender.pid] });
      const posting = sender.call("post", { count: 1 }).catch(() => {});
      await sender.ended;
      await posting;
      assert.equal(linesOf(log), noted.replaceAll(/\w+/g, "$& a 1"));

      const next = await Child.startCompiled(t, programs.sender);
      await next.call("begin", begin);
      assert.deepEqual(await next.call("finish"), { dead: 0 });
      const handled = memory === "inbox" ? "begun a 1, done a 1, recorded a 1" : "begun a 1, done a 1";
      assert.equal(linesOf(file("served")), handled);
    },
  );
}

function linesOf(log: string): string {
  return readFileSync(log, "utf8").trim().split("\n").join(", ");
}
