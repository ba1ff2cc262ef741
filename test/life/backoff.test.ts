import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientState } from "../../src/index.js";
import { delayAfter } from "../../src/peer/backoff.js";
import { outcome, rejection } from "../peer/support.js";
import { settle, World } from "./support.js";

const LIMITS = { minDelayMs: 50, maxDelayMs: 5_000 };

test("pauses double from the least to the most, all of them chance, and heed what was asked for", () => {
  const most = Array.from({ length: 10 }, (_, failures) => delayAfter(failures, LIMITS, () => 1));
  assert.deepEqual(most, [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  assert.equal(
    delayAfter(3, LIMITS, () => 0.25),
    50,
  );
  assert.equal(
    delayAfter(5_000, LIMITS, () => 1),
    5_000,
  );
  assert.equal(
    delayAfter(1, LIMITS, () => 0, 700),
    700,
  );
  assert.equal(
    delayAfter(1, LIMITS, () => 1, 700),
    840,
  );
});

/** How long a client pauses before each of its next attempts, all of which fail. */
async function pauses(world: World, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let index = 0; index < count; index++) {
    await settle();
    all.push(Math.round(world.time.nextInMs));
    world.time.advance(world.time.nextInMs);
  }
  await settle();
  return all;
}

test("while something waits a client tries at once, and then with pauses that grow; reconnect begins anew", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent", reconnect: { minDelayMs: 10, maxDelayMs: 60 } });
  const sending = outcome(client.send("a"));
  assert.deepEqual(await pauses(world, 5), [10, 20, 40, 60, 60]);
  const { attempts } = world;
  client.reconnect();
  await settle();
  assert.ok(world.attempts > attempts);
  assert.deepEqual(await pauses(world, 2), [10, 20]);
  world.serve(() => "ok");
  world.time.advance(60);
  assert.equal(await sending, "reply ok");
  assert.deepEqual([client.state.kind, world.time.timers.all], ["open", 0]);
});

test("the process stays for what waits, not for attempts that nobody waits for", async (t) => {
  const world = new World(t);
  world.serve(() => "ok");
  const client = world.client({ reconnect: { whenIdle: true } });
  await client.send("a");
  world.kill();
  await settle();
  assert.deepEqual([client.state.kind, world.time.timers], ["waiting", { all: 1, alive: 0 }]);
  const controller = new AbortController();
  const sending = rejection(client.send("a", { retry: "unsent", signal: controller.signal }));
  await settle();
  assert.deepEqual(world.time.timers, { all: 1, alive: 1 });
  controller.abort();
  await sending;
  assert.deepEqual(world.time.timers, { all: 1, alive: 0 });
  world.serve(() => "again");
  world.time.advance(5_000);
  await settle();
  assert.equal(client.state.kind, "open");
});

test("a client at rest whose server goes makes no attempt until there is something to send, and then one", async (t) => {
  const world = new World(t);
  world.serve(() => "ok");
  const client = world.client();
  await client.send("a");
  const { attempts } = world;
  world.kill();
  await settle();
  world.time.advance(3_600_000);
  await settle();
  assert.deepEqual([world.attempts, world.time.timers.all, world.news], [attempts, 0, undefined]);
  assert.equal(await outcome(client.send("b")), "NO_SERVER unsent");
  assert.equal(await outcome(client.ping()), "NO_SERVER unsent");
  assert.deepEqual([world.attempts, world.time.timers.all], [attempts + 2, 0]);
  world.serve(() => "ok");
  assert.equal(await outcome(client.send("c")), "reply ok");
});

test("while a client pauses, what does not wait is told why at once, without another attempt", async (t) => {
  const world = new World(t);
  const client = world.client();
  void outcome(client.send("a", { retry: "unsent" }));
  await settle();
  const { attempts } = world;
  const error = await rejection(client.send("b"));
  assert.deepEqual([error.code, error.delivery, world.attempts], ["NO_SERVER", "unsent", attempts]);
  assert.match(error.message, /^Cannot send to "unix:\/memory": there is no such file$/);
});

test("news of the server make an attempt at once, but not more than one in ten milliseconds", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent" });
  const sending = outcome(client.send("a"));
  await pauses(world, 6);
  assert.ok(world.time.nextInMs > 1_000);
  const { attempts } = world;
  world.time.advance(20);
  world.news?.();
  await settle();
  assert.equal(world.attempts, attempts + 1);
  assert.ok(world.time.nextInMs > 1_000);
  for (let count = 0; count < 100; count++) world.news?.();
  await settle();
  assert.equal(world.attempts, attempts + 1);
  assert.ok(world.time.nextInMs <= 10);
  world.serve(() => "ok");
  world.time.advance(10);
  assert.equal(await sending, "reply ok");
  assert.equal(world.news, undefined);
});

test("news that come while an attempt is under way shorten the pause after it", async (t) => {
  const world = new World(t);
  const client = world.client({ retry: "unsent" });
  const sending = outcome(client.send("a"));
  await pauses(world, 6);
  let open = () => {};
  world.gate = () =>
    new Promise((resolve) => {
      open = resolve;
    });
  world.time.advance(world.time.nextInMs);
  await settle();
  assert.equal(client.state.kind, "connecting");
  world.news?.();
  open();
  world.gate = undefined;
  await settle();
  assert.ok(world.time.nextInMs <= 10, String(world.time.nextInMs));
  world.serve(() => "ok");
  world.time.advance(10);
  assert.equal(await sending, "reply ok");
});

test("a server that dies of a message again and again is not asked faster and faster", async (t) => {
  const world = new World(t);
  let handled = 0;
  world.serve(
    () => {
      handled++;
      world.cut();
      return new Promise(() => {});
    },
    { deduplicate: false },
  );
  const client = world.client({ retry: "idempotent" });
  void outcome(client.send("poison"));
  await settle();
  // The first loss is made good at once.
  assert.equal(handled, 2);
  assert.deepEqual(await pauses(world, 4), [50, 100, 200, 400]);
  assert.equal(handled, 6);
});

test("a connection that stood for a while was a good one: when it is lost, the next attempt is made at once", async (t) => {
  const world = new World(t);
  world.serve(() => "ok");
  const client = world.client({ reconnect: { whenIdle: true } });
  await client.send("a");
  for (let count = 0; count < 5; count++) {
    world.time.advance(1_000);
    world.cut();
    await settle();
    assert.equal(client.state.kind, "open");
  }
  world.cut();
  await settle();
  world.cut();
  await settle();
  assert.equal(client.state.kind, "waiting");
});

test("the states of a client, as those who listen are told", async (t) => {
  const world = new World(t);
  world.serve(() => "ok");
  const client = world.client();
  const states: string[] = [];
  const tell = (state: ClientState) => {
    const more = state.kind === "waiting" || state.kind === "closed" ? ` ${state.cause?.code}` : "";
    states.push(`${state.kind}${"attempt" in state ? ` ${state.attempt}` : ""}${more}`);
  };
  const stop = client.onState(tell);
  assert.deepEqual(client.state, { kind: "waiting", attempt: 1, retryAt: undefined, cause: undefined });
  await client.send("a");
  world.kill();
  await settle();
  const sending = outcome(client.send("b", { retry: "unsent" }));
  await settle();
  world.serve(() => "ok");
  world.time.advance(50);
  await sending;
  await client.close();
  await settle();
  assert.deepEqual(states, [
    "connecting 1",
    "open",
    "waiting 1 CONNECTION_LOST",
    "connecting 1",
    "waiting 2 NO_SERVER",
    "connecting 2",
    "open",
    "waiting 2 undefined",
    "closed CONNECTION_CLOSED",
  ]);
  stop();
});
