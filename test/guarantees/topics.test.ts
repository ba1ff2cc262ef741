/** What is published, when its subscriber or its server is killed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, rejection, serve, socketPath } from "../peer/support.js";
import { earshot, listening } from "../support/process.js";

const LIMIT = { timeout: 60_000 };
const COUNT = 50;

test("publish: a subscriber that is waited for is killed: publish goes on, and others get all", LIMIT, async (t) => {
  const server = await serve(t, () => undefined, { broadcast: { maxQueuedMessages: 1, maxWaitMs: 60_000 } });
  const client = await connect(t, server);
  const subscription = client.subscribe("work", { slow: "wait" });
  await subscription.ready;
  const program = earshot(t, ["subscribe", server.address, ">", "--slow", "wait"]);
  // What it prints shows that it has subscribed.
  while (program.stdout.length === 0) {
    await server.publish("warm-up", "");
    await new Promise((resolve) => setImmediate(resolve));
  }
  program.signal("SIGSTOP");
  let published = 0;
  let received = 0;
  const publishing = (async () => {
    for (; published < COUNT; published++) await server.publish("work", "x".repeat(60_000));
  })();
  const reading = (async () => {
    for await (const _ of subscription) if (++received === COUNT) break;
  })();
  while (received < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(published < COUNT, "it is waited for");
  program.signal("SIGKILL");
  await program.ended;
  await Promise.all([publishing, reading]);
  assert.deepEqual([published, received, subscription.dropped], [COUNT, COUNT, 0]);
});

test(
  "publish: the server is killed: a subscriber gets what had come, then CONNECTION_LOST; the next server knows nothing of it",
  LIMIT,
  async (t) => {
    const address = socketPath(t);
    const first = await listening(t, address, ["--publish", "lines"], { input: "open" });
    const client = await connect(t, { address });
    const subscription = client.subscribe(">");
    await subscription.ready;
    first.child.stdin?.write("one\ntwo\n");
    const come = [(await subscription.next()).value?.text(), (await subscription.next()).value?.text()];
    assert.deepEqual(come, ["one", "two"]);
    first.signal("SIGKILL");
    assert.equal((await rejection(subscription.next())).code, "CONNECTION_LOST");
    const second = await listening(t, address, ["--publish", "lines"], { input: "open" });
    const again = client.subscribe(">", { replay: 10 });
    await again.ready;
    second.child.stdin?.write("three\n");
    assert.equal((await again.next()).value?.text(), "three");
  },
);
