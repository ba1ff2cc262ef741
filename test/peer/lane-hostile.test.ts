/** Callers that write anything over the memory that a server shares with them, and processes that are killed while they do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Child, descriptorsOf, until } from "../support/children.js";
import { CAN_SHARE, mappingsOf, socketsOf } from "../support/shared.js";
import { compileFixture } from "../support/starter.js";
import { require as requires } from "../support/tools.js";
import { connect, outcome, serve, socketPath } from "./support.js";

/** `EARSHOT_HOSTILE_MS=600000` and `EARSHOT_KILL_ROUNDS=1000` take longer, and find more. */
const { EARSHOT_HOSTILE_MS = "1500", EARSHOT_KILL_ROUNDS = "10" } = process.env;
const HOSTILE_MS = Number(EARSHOT_HOSTILE_MS);
const KILL_ROUNDS = Number(EARSHOT_KILL_ROUNDS);

test("callers that write anything over their rings are cut, and others are served", {
  timeout: HOSTILE_MS + 60_000,
}, async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const address = socketPath(t);
  const server = await Child.start(t, "peer-server");
  await server.call("listen", { address, handler: "echo", options: { lane: "shared" } });
  const client = await connect(t, { address });
  for (let pings = 0; pings < 2; pings++) await client.ping();
  const attackers = [await Child.start(t, "hostile-ring"), await Child.start(t, "hostile-ring")];
  for (const attacker of attackers) await attacker.call("attack", { address });
  const until = performance.now() + HOSTILE_MS;
  let served = 0;
  while (performance.now() < until) {
    assert.equal(await outcome(client.send(`message ${served}`, { timeoutMs: 30_000 })), `reply message ${served}`);
    served++;
  }
  const counts = await Promise.all(attackers.map((attacker) => attacker.call("stop")));
  for (const { cuts, writes } of counts as { cuts: number; writes: number }[]) {
    t.diagnostic(`${writes} writes, ${cuts} cuts, ${served} messages served`);
    assert.ok(cuts > 0 && writes > 0, "nothing was attacked");
  }
  const problems = (await server.call("problems")) as string[];
  assert.ok(
    problems.some((text) => /ring|LANE|frame/.test(text)),
    "nobody was told why",
  );
});

test("when either side is killed, no memory, mapping or descriptor of it stays", {
  timeout: KILL_ROUNDS * 10_000 + 60_000,
}, async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const programs = [await compileFixture(t, "peer-server"), await compileFixture(t, "peer-client")] as const;
  const server = await serve(t, (message) => message.bytes, { lane: "shared" });
  const before = [mappingsOf(), socketsOf()] as const;
  for (let round = 0; round < KILL_ROUNDS; round++) {
    // A client dies at any time: while it takes the rings, or in the middle of its messages.
    const dying = await Child.startCompiled(t, programs[1], [server.address, "framed", "2000"]);
    await Promise.race([setTimeout(Math.random() * 300), dying.ended]);
    await dying.kill();
    await until(() => server.connectionCount === 0, "the client to be gone");
    await until(() => mappingsOf() === before[0] && socketsOf() <= before[1], "nothing of it to be left");

    const address = socketPath(t);
    const other = await Child.startCompiled(t, programs[0]);
    await other.call("listen", { address, handler: "echo", options: { lane: "shared" } });
    const client = await connect(t, { address });
    const sending = Array.from({ length: 100 }, () => outcome(client.send(Buffer.alloc(20_000))));
    await Promise.race([setTimeout(Math.random() * 30), Promise.all(sending)]);
    assert.ok(descriptorsOf(other.pid) > 0);
    await other.kill();
    for (const text of await Promise.all(sending)) assert.match(text, /^(reply|CONNECTION_LOST)/);
    await until(() => mappingsOf() === before[0] && socketsOf() <= before[1], "nothing of it to be left");
  }
});
