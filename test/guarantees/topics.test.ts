/** What is published, when its subscriber or its server is killed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, rejection, serve, socketPath } from "../peer/support.js";
import { earshot, listening } from "../support/process.js";

const LIMIT = { timeout: 60_000 };

test(
  "publish: a subscriber that is waited for stands still and is killed: publish goes on, and others get all",
  LIMIT,
  async (t) => {
    const broadcast = { maxQueuedMessages: 1, maxWaitMs: 60_000 };
    const server = await serve(t, () => undefined, { broadcast });
    const client = await connect(t, server);
    const subscription = client.subscribe("a");
    await subscription.ready;
    const program = earshot(t, ["subscribe", server.address, "a", "--slow", "wait"]);
    // The first message that it prints shows that it has subscribed.
    for (let count = 0; program.stdout.length === 0; count++) {
      await server.publish("a", "");
      await new Promise((resolve) => setImmediate(resolve));
    }
    program.signal("SIGSTOP");
    const body = "x".repeat(60_000);
    const publishing: Promise<void>[] = [];
    let done = 0;
    let received = 0;
    const reading = (async () => {
      for await (const message of subscription) if (message.byteLength > 0 && ++received === 50) break;
    })();
    const publishAll = async () => {
      for (let index = 0; index < 50; index++) {
        await server.publish("a", body);
        done++;
      }
    };
    publishing.push(publishAll());
    while (received < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(done < 50, "it is waited for");
    program.signal("SIGKILL");
    await program.ended;
    await Promise.all([...publishing, reading]);
    assert.equal(received + subscription.dropped, 50);
  },
);

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
