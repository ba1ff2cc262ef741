/** Callers that lend anything, and write to it while it is read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Child, until } from "../support/children.js";
import { CAN_SHARE } from "../support/shared.js";
import { require as requires } from "../support/tools.js";
import { connect, outcome, socketPath } from "./support.js";

/** `EARSHOT_HOSTILE_MS=600000` takes longer, and finds more. */
const HOSTILE_MS = Number(process.env.EARSHOT_HOSTILE_MS ?? "1500");

type Counts = Readonly<Record<"cuts" | "answers", number>>;

function total(counts: readonly Counts[], what: keyof Counts): number {
  return counts.reduce((sum, one) => sum + one[what], 0);
}

for (const body of ["borrowed", "message", "stream"] as const) {
  test(`callers that lend anything are cut, read as ${body}; others are served, and nothing of it stays`, {
    timeout: HOSTILE_MS + 60_000,
  }, async (t) => {
    if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
    const address = socketPath(t);
    const server = await Child.start(t, "peer-server");
    const handler = body === "stream" ? "nothing" : "read";
    await server.call("listen", { address, handler, options: { lane: "shared", body } });
    const client = await connect(t, { address }, { lane: "socket" });
    await client.send("hello");
    const before = [await server.call("mappings"), await server.call("descriptors")] as [number, number];
    const attackers = [await Child.start(t, "hostile-loans"), await Child.start(t, "hostile-loans")];
    for (const attacker of attackers) await attacker.call("attack", { address });
    const end = performance.now() + HOSTILE_MS;
    let served = 0;
    for (; performance.now() < end; served++)
      assert.match(
        await outcome(client.send("a", { timeoutMs: 30_000 })),
        body === "stream" ? /^reply $/ : /^reply 98$/,
      );
    const counts = (await Promise.all(attackers.map((attacker) => attacker.call("stop")))) as Counts[];
    const [cuts, answers] = [total(counts, "cuts"), total(counts, "answers")];
    t.diagnostic(`${cuts} cuts, ${answers} answers, ${served} messages served`);
    assert.ok(cuts > 0 && answers > 0, "nothing was attacked");
    const problems = (await server.call("problems")) as string[];
    assert.ok(
      problems.some((text) => /slab|LEND/.test(text)),
      "nobody was told why",
    );
    for (const attacker of attackers) await attacker.kill();
    await until(async () => (await server.call("connections")) === 1, "the attackers to be gone");
    await until(async () => (await server.call("mappings")) === before[0], "their memory to be gone");
    await until(
      async () => ((await server.call("descriptors")) as number) <= before[1],
      "their descriptors to be gone",
    );
  });
}
