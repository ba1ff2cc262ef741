import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EarshotError } from "../../src/errors.js";
import type { Client, Retry } from "../../src/index.js";
import { Gate, outcome, rejection } from "../peer/support.js";
import { becomes, settle, World } from "./support.js";

const POLICIES: readonly Retry[] = [false, "unsent", "idempotent"];

interface Moment {
  readonly what: string;
  /** Sends, and lets the failure happen; whoever waits for the next server gets it. */
  readonly fail: (
    world: World,
    client: Client,
    t: TestContext,
  ) => Promise<{ sending: Promise<string>; handled: () => number }>;
  readonly outcomes: readonly [string, string, string];
  /** How often handlers have seen it. */
  readonly handled: readonly [number, number, number];
}

const counted = () => {
  let count = 0;
  return { handled: () => count, handler: () => `reply ${++count}` };
};

const MOMENTS: readonly Moment[] = [
  {
    what: "nobody serves",
    fail: async (world, client) => {
      const sending = outcome(client.send("a"));
      await settle();
      const { handler, handled } = counted();
      world.serve(handler);
      world.time.advance(60);
      return { sending, handled };
    },
    outcomes: ["NO_SERVER unsent", "reply reply 1", "reply reply 1"],
    handled: [0, 1, 1],
  },
  {
    what: "the attempt to connect fails while it waits for it",
    fail: async (world, client) => {
      const gate = new Gate();
      world.gate = () => gate.opened;
      const first = outcome(client.send("first"));
      await settle();
      const sending = outcome(client.send("a"));
      assert.equal(client.state.kind, "connecting");
      gate.open();
      world.gate = undefined;
      await settle();
      const { handler, handled } = counted();
      world.serve(handler);
      world.time.advance(60);
      await first;
      return { sending, handled: () => (handled() > 0 ? handled() - 1 : 0) };
    },
    outcomes: ["NO_SERVER unsent", "reply reply 2", "reply reply 2"],
    handled: [0, 1, 1],
  },
  {
    what: "the server takes nothing new any more",
    fail: async (world, client) => {
      const closing = world.serve(() => "old");
      await client.send("first", { retry: "unsent" });
      const { handler, handled } = counted();
      void closing.close(1_000);
      const next = world.serve(handler);
      assert.equal(next.connectionCount, 0);
      await becomes(client, "waiting");
      return { sending: outcome(client.send("a")), handled };
    },
    outcomes: ["reply reply 1", "reply reply 1", "reply reply 1"],
    handled: [1, 1, 1],
  },
  {
    what: "the server is killed before it has answered",
    fail: async (world, client) => {
      const begun = new Gate();
      world.serve(() => {
        begun.open();
        return new Promise(() => {});
      });
      const sending = outcome(client.send("a"));
      await begun.opened;
      world.kill();
      const { handler, handled } = counted();
      world.serve(handler);
      await settle();
      return { sending, handled: () => 1 + handled() };
    },
    outcomes: ["CONNECTION_LOST unknown", "CONNECTION_LOST unknown", "reply reply 1"],
    handled: [1, 1, 2],
  },
  {
    what: "the connection breaks when it was answered, and the reply is lost",
    fail: async (world, client) => {
      let count = 0;
      world.serve(() => {
        if (++count === 1) world.cut();
        return `reply ${count}`;
      });
      return { sending: outcome(client.send("a")), handled: () => count };
    },
    outcomes: ["CONNECTION_LOST unknown", "CONNECTION_LOST unknown", "reply reply 1"],
    handled: [1, 1, 1],
  },
];

for (const { what, fail, outcomes, handled: times } of MOMENTS) {
  for (const [index, retry] of POLICIES.entries()) {
    test(`retry ${JSON.stringify(retry)}, when ${what}: ${outcomes[index]}, handled ${times[index]} times`, async (t) => {
      const world = new World(t);
      const client = world.client({ retry });
      const { sending, handled } = await fail(world, client, t);
      assert.equal(await sending, outcomes[index]);
      assert.equal(handled(), times[index]);
    });
  }
}

test("a repetition that comes while the first is being handled waits for it, and is not handled", async (t) => {
  const world = new World(t);
  const [begun, go] = [new Gate(), new Gate()];
  let handled = 0;
  world.serve(async () => {
    handled++;
    begun.open();
    await go.opened;
    return "done";
  });
  const client = world.client({ retry: "idempotent" });
  const sending = outcome(client.send("a"));
  await begun.opened;
  world.cut();
  await settle();
  assert.equal(client.state.kind, "open");
  go.open();
  assert.deepEqual([await sending, handled], ["reply done", 1]);
});

test("a message whose handler fails is not sent again, and one that is sent again by hand is handled anew", async (t) => {
  const world = new World(t);
  let handled = 0;
  world.serve(() => {
    if (++handled === 1) throw new Error("not yet");
    return "done";
  });
  const client = world.client({ retry: "idempotent" });
  assert.equal(await outcome(client.send("a", { id: "x" })), "HANDLER_FAILED unknown");
  assert.equal(await outcome(client.send("a", { id: "x" })), "reply done");
  assert.equal(handled, 2);
});

const PERMANENT = [
  "PERMISSION_DENIED",
  "PEER_REFUSED",
  "VERSION_MISMATCH",
  "CONTRACT_MISMATCH",
  "NOT_A_SOCKET",
] as const;

for (const code of PERMANENT) {
  test(`${code} ends the wait of everybody at once, and nothing more is tried`, async (t) => {
    const world = new World(t);
    const client = world.client({ retry: "idempotent" });
    const sending = [client.send("a"), client.send("b", { retry: "unsent" })].map(outcome);
    await settle();
    world.refusal = () => new EarshotError(code, "because");
    world.time.advance(60);
    assert.deepEqual(await Promise.all(sending), [`${code} unsent`, `${code} unsent`]);
    assert.deepEqual([client.state.kind, world.time.timers.all], ["waiting", 0]);
    const { state } = client;
    assert.ok(state.kind === "waiting" && state.retryAt === undefined && state.cause?.code === code);
    world.serve(() => "ok");
    assert.equal(await outcome(client.send("c")), "reply ok");
  });
}

test("a message over the server's limit is not sent again, and the next one is", async (t) => {
  const world = new World(t);
  world.serve(() => "ok", { maxMessageBytes: 10 });
  const client = world.client({ retry: "idempotent" });
  assert.equal(await outcome(client.send("much too long")), "MESSAGE_TOO_LARGE unsent");
  assert.equal(await outcome(client.send("short")), "reply ok");
});

test("the time of a message covers its wait; the error says for what, and what may have become of it", async (t) => {
  const world = new World(t);
  const client = world.client();
  const early = rejection(client.send("a", { retry: "unsent", timeoutMs: 1_000 }));
  await settle();
  world.time.advance(900);
  await settle();
  assert.equal(client.state.kind, "waiting");
  world.time.advance(200);
  const error = await early;
  assert.deepEqual([error.code, error.delivery, error.op], ["TIMEOUT", "unsent", "send"]);
  assert.match(error.message, /^Cannot send to ".*": no reply within 1000 ms: there is no such file$/);
  await settle();
  assert.equal(world.time.timers.all, 0);
  world.serve(() => new Promise(() => {}));
  const late = outcome(client.send("a", { retry: "idempotent", timeoutMs: 60_000 }));
  await settle();
  world.kill();
  await settle();
  world.time.advance(70_000);
  assert.equal(await late, "TIMEOUT unknown");
});

test("a signal ends the wait, and with the last message that waits all attempts", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent" });
  const controller = new AbortController();
  const sending = rejection(client.send("a", { signal: controller.signal }));
  await settle();
  assert.equal(world.time.timers.alive, 1);
  controller.abort("enough");
  const error = await sending;
  assert.deepEqual([error.code, error.delivery, error.cause], ["CANCELLED", "unsent", "enough"]);
  assert.equal(world.time.timers.all, 0);
  assert.ok(client.state.kind === "waiting" && client.state.retryAt === undefined);
});

test("no more wait than may: by number, and by bytes", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent", maxWaiting: 2, maxWaitingBytes: 20 });
  const sending = ["0123456789", "0123456789", "x"].map((text) => rejection(client.send(text)));
  const third = await sending[2]!;
  assert.deepEqual([third.code, third.delivery], ["OVERLOADED", "unsent"]);
  assert.match(third.message, /2 messages wait for a connection already \(maxWaiting\)/);
  await client.close({ graceMs: 0 });
  assert.deepEqual([(await sending[0]!).code, (await sending[1]!).delivery], ["CONNECTION_CLOSED", "unsent"]);
  const other = world.client({ retry: "unsent", maxWaiting: 100, maxWaitingBytes: 20 });
  void rejection(other.send("0123456789"));
  const large = await rejection(other.send("0123456789+"));
  assert.match(large.message, /may have 20 bytes together \(maxWaitingBytes\)/);
});

test("what waits is sent in the order in which it came", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent" });
  const sending = Array.from({ length: 50 }, (_, index) => client.send(String(index)));
  await settle();
  const seen: string[] = [];
  world.serve((message) => void seen.push(message.text()));
  world.time.advance(60);
  await Promise.all(sending);
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, index) => String(index)),
  );
});

test("an iterable waits unread for a connection, and is not sent again once it was asked for its first chunk", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "idempotent" });
  let asked = 0;
  async function* source() {
    asked++;
    yield "one, ";
    await new Promise((resolve) => setImmediate(resolve));
    yield "two";
  }
  const sending = outcome(client.send(source()));
  await settle();
  assert.deepEqual([asked, client.state.kind], [0, "waiting"]);
  world.serve((message) => message.bytes);
  world.time.advance(60);
  assert.equal(await sending, "reply one, two");
  world.kill();
  world.serve(() => {
    world.kill();
    return "lost";
  });
  assert.equal(await outcome(client.send(source())), "CONNECTION_LOST unknown");
  assert.equal(asked, 2);
});

test("a reply that is a stream comes from the next connection too, and breaks off with its own", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent" });
  const sending = client.send("a", { body: "stream" });
  await settle();
  world.serve(async function* () {
    yield "begun";
    await new Promise(() => {});
  } as never);
  world.time.advance(60);
  const reply = await sending;
  const reading = (async () => {
    for await (const piece of reply.body) assert.equal(Buffer.from(piece).toString(), "begun");
  })();
  await settle();
  world.kill();
  assert.equal((await rejection(reading)).code, "CONNECTION_LOST");
});
