/** More than one process at the server's end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { dial, listen } from "../../src/index.js";
import { inbox, openOutbox } from "../../src/outbox/index.js";
import { cut, Gate, outcome, rejection, socketPath } from "../peer/support.js";
import { temporaryDirectory } from "../support/temp.js";

test("two servers: the second is refused, and whatever was sent and published goes to the first", async (t) => {
  const address = socketPath(t);
  const directory = temporaryDirectory(t);
  const first = await listen(address, () => "the first", { handOver: false });
  t.after(() => cut(first));
  assert.equal((await rejection(listen(address, () => "the second"))).code, "ADDRESS_IN_USE");
  for (const options of [{ wire: "plain" }, { retry: false }, { retry: "unsent" }, { retry: "idempotent" }] as const) {
    const client = await dial(address, options);
    t.after(() => cut(client));
    assert.equal(await outcome(client.send("x")), "reply the first");
    const chunk = (async function* () {
      yield "x";
    })();
    assert.equal(await outcome(client.send(chunk)), "reply the first");
  }
  const client = await dial(address);
  t.after(() => cut(client));
  const subscription = client.subscribe("a");
  await subscription.ready;
  void first.publish("a", "by the first");
  assert.equal((await subscription.next()).value?.text(), "by the first");
  const outbox = await openOutbox(join(directory, "outbox"), { address });
  t.after(() => outbox.close({ graceMs: 0 }));
  await outbox.post("x");
  await outbox.flush();
});

test("two servers share an inbox: what one has recorded the other knows, what both begin at once is handled by both", async (t) => {
  const directory = join(temporaryDirectory(t), "inbox");
  const gates = [new Gate(), new Gate()];
  const handled: number[] = [];
  const servers = await Promise.all(
    gates.map(async (gate, index) => {
      const seen = await inbox(directory);
      const handler = async (message: { text(): string }) => {
        handled.push(index);
        if (message.text() === "slow") await gate.opened;
        return `by ${index}`;
      };
      const server = await listen(socketPath(t), handler, { deduplicate: seen });
      t.after(async () => {
        await cut(server);
        await seen.close();
      });
      return server;
    }),
  );
  const clients = await Promise.all(servers.map(({ address }) => dial(address)));
  t.after(() => Promise.all(clients.map(cut)));
  const [one, other] = clients as [(typeof clients)[0], (typeof clients)[0]];
  assert.equal(await outcome(one.send("fast", { id: "fast" })), "reply by 0");
  assert.equal(await outcome(other.send("fast", { id: "fast" })), "reply by 0");
  assert.deepEqual(handled, [0]);
  const both = [outcome(one.send("slow", { id: "slow" })), outcome(other.send("slow", { id: "slow" }))];
  await Promise.all(clients.map((client) => client.ping()));
  assert.deepEqual(handled, [0, 0, 1]);
  for (const gate of gates) gate.open();
  assert.deepEqual(await Promise.all(both), ["reply by 0", "reply by 1"]);
});
