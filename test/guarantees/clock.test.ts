/** The wall clock is set, by a year, forward or back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { inboxWith } from "../../src/outbox/inbox.js";
import { rig } from "../outbox/support.js";
import { connect, Gate, outcome, serve } from "../peer/support.js";
import { temporaryDirectory } from "../support/temp.js";
import { setClock } from "../support/wall-clock.js";

const YEAR_MS = 31_536_000_000;

for (const [direction, byMs] of [
  ["forward", YEAR_MS],
  ["back", -YEAR_MS],
] as const) {
  test(`the clock is set ${direction}: messages, streams and topics without a disk do not notice`, async (t) => {
    const begun = new Gate();
    const finish = new Gate();
    let handled = 0;
    const server = await serve(t, async (message) => {
      if (message.text() === "long") {
        begun.open();
        await finish.opened;
      }
      if (message.text() === "never") await new Promise(() => {});
      return `${message.text()} ${++handled}`;
    });
    const client = await connect(t, server);
    const plain = await connect(t, server, { wire: "plain" });
    const subscription = client.subscribe("a");
    await subscription.ready;
    const long = outcome(client.send("long", { timeoutMs: 60_000 }));
    const once = await outcome(client.send("once", { id: "once", retry: "idempotent" }));
    await begun.opened;

    setClock(t, byMs);
    // What has a minute still has it, and what has 50 ms has no more.
    for (const sender of [client, plain]) {
      assert.equal(await outcome(sender.send("never", { timeoutMs: 50 })), "TIMEOUT unknown");
    }
    finish.open();
    assert.equal(await long, "reply long 2");
    assert.equal(await outcome(client.send("again", { id: "once" })), once, "what is remembered is not forgotten");
    const chunks = (async function* () {
      yield "str";
      yield "eam";
    })();
    assert.equal(await outcome(client.send(chunks)), "reply stream 3");
    assert.equal(await outcome(plain.send("plain", { timeoutMs: 60_000 })), "reply plain 4");
    void server.publish("a", "news");
    assert.equal((await subscription.next()).value?.text(), "news");
  });

  test(`the clock is set ${direction}: what waits in an outbox without a delay or an end is delivered as before`, async (t) => {
    const { outbox, way, time } = await rig(t);
    await outbox.post("under way", { key: "k" });
    await outbox.post("behind", { key: "k" });
    await time.advance(0);
    time.wall += byMs;
    way.answer = () => "ok";
    way.underWay[0]?.resolve();
    await outbox.post("after", { key: "k" });
    await time.advance(100);
    assert.deepEqual(way.sent, ["under way", "behind", "after"]);
    assert.equal(outbox.pending, 0);
  });
}

test("the clock is set: an inbox forgets when it goes past keepMs, and remembers longer when it goes back", async (t) => {
  let wall = Date.UTC(2026, 0, 1);
  const seen = await inboxWith(join(temporaryDirectory(t), "inbox"), { keepMs: 60_000 }, { now: () => wall });
  t.after(() => seen.close());
  const finish = async (key: string) => {
    assert.equal(seen.begin(key), undefined, `${key} is not known`);
    await seen.finish(key, { reply: Buffer.from(key) });
  };
  await finish("a");
  wall -= YEAR_MS;
  assert.notEqual(await seen.begin("a"), undefined, "it is known, for a year and a minute more");
  await finish("b");
  wall += YEAR_MS + 30_000;
  assert.notEqual(await seen.begin("a"), undefined, "its minute is not over");
  assert.notEqual(await seen.begin("b"), undefined, "it counts as no older than what came before it");
  wall += 30_001;
  assert.equal(await seen.begin("b"), undefined, "its minute is over");
});
