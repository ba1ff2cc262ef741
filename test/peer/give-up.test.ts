import assert from "node:assert/strict";
import { test } from "node:test";
import { aborted, connect, Gate, outcome, rejection, serve, WIRES } from "./support.js";

for (const wire of WIRES) {
  test(`${wire}: a send whose time is up rejects, not before`, async (t) => {
    const server = await serve(t, (_, { signal }) => aborted(signal).then(() => undefined));
    const client = await connect(t, server, { wire });
    for (const timeoutMs of [1, 33.25, 120]) {
      const startedAt = performance.now();
      const error = await rejection(client.send("a", { timeoutMs }));
      assert.ok(performance.now() - startedAt >= timeoutMs, `${timeoutMs} ms`);
      assert.equal(error.code, "TIMEOUT");
      assert.equal(error.message, `Cannot send to "${server.address}": no reply within ${timeoutMs} ms`);
    }
  });

  test(`${wire}: a send whose signal aborts rejects with the reason`, async (t) => {
    const begun = new Gate();
    const server = await serve(t, (_, { signal }) => {
      begun.open();
      return aborted(signal).then(() => undefined);
    });
    const client = await connect(t, server, { wire });
    const controller = new AbortController();
    const sending = rejection(client.send("a", { signal: controller.signal }));
    await begun.opened;
    const reason = new Error("enough");
    controller.abort(reason);
    const error = await sending;
    assert.deepEqual([error.code, error.delivery, error.cause], ["CANCELLED", "unknown", reason]);
    assert.equal(error.message, `Cannot send to "${server.address}": its signal was aborted`);
  });

  test(`${wire}: a signal that aborted before sends nothing`, async (t) => {
    let handled = 0;
    const server = await serve(t, () => String(++handled));
    const client = await connect(t, server, { wire });
    const error = await rejection(client.send("a", { signal: AbortSignal.abort("never mind") }));
    assert.deepEqual([error.code, error.delivery, error.cause], ["CANCELLED", "unsent", "never mind"]);
    assert.equal(await outcome(client.send("b")), "reply 1");
  });

  test(`${wire}: a signal and a time that come after the reply change nothing`, async (t) => {
    const server = await serve(t, () => "ok");
    const client = await connect(t, server, { wire });
    const controller = new AbortController();
    const reply = await client.send("a", { signal: controller.signal, timeoutMs: 200 });
    controller.abort();
    assert.equal(reply.text(), "ok");
    for (const timeoutMs of [undefined, 0, Infinity, 2 ** 31, 2 ** 40]) {
      assert.equal(await outcome(client.send("b", { timeoutMs })), "reply ok", `${timeoutMs}`);
    }
  });
}

test("what waits for a place is unsent, what is with the server is unknown", async (t) => {
  const begun = new Gate();
  let handled = 0;
  const server = await serve(
    t,
    (_, { signal }) => {
      handled++;
      begun.open();
      return aborted(signal).then(() => undefined);
    },
    { maxInFlight: 1 },
  );
  const client = await connect(t, server);
  await client.ping();
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const sending = ["handled", "waits", "waits too"].map((text) => outcome(client.send(text, options)));
  sending.push(outcome(client.send("waits and runs out", { timeoutMs: 30 })));
  await begun.opened;
  assert.equal(await sending[3], "TIMEOUT unsent");
  controller.abort();
  assert.deepEqual(await Promise.all(sending.slice(0, 3)), [
    "CANCELLED unknown",
    "CANCELLED unsent",
    "CANCELLED unsent",
  ]);
  assert.equal(await outcome(client.send("next", { timeoutMs: 50 })), "TIMEOUT unknown");
  assert.equal(handled, 2);
});

test("giving up in the same turn as sending is unsent, and the handler never runs", async (t) => {
  const texts: string[] = [];
  const server = await serve(t, (message) => void texts.push(message.text()));
  const client = await connect(t, server);
  const controller = new AbortController();
  const sending = outcome(client.send("never", { signal: controller.signal }));
  controller.abort();
  assert.equal(await sending, "CANCELLED unsent");
  await client.send("after");
  assert.deepEqual(texts, ["after"]);
});

test("the server keeps the deadline itself: the handler's signal aborts when the caller has stopped waiting", async (t) => {
  const reasons: unknown[] = [];
  const told = new Gate();
  const server = await serve(t, async (_, { signal }) => {
    reasons.push(await aborted(signal));
    told.open();
  });
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("a", { timeoutMs: 40 })), "TIMEOUT unknown");
  await told.opened;
  assert.match(String(reasons[0]), /TIMEOUT|deadline|given up/i);
});

test("the handler's signal aborts when the caller's signal does", async (t) => {
  const [begun, told] = [new Gate(), new Gate()];
  const server = await serve(t, async (_, { signal }) => {
    begun.open();
    await aborted(signal);
    told.open();
  });
  const client = await connect(t, server);
  const controller = new AbortController();
  const sending = outcome(client.send("a", { signal: controller.signal }));
  await begun.opened;
  controller.abort();
  await told.opened;
  assert.equal(await sending, "CANCELLED unknown");
});

test("a signal that was asked for only after the caller had gone is aborted already", async (t) => {
  const gone = new Gate();
  const states: boolean[] = [];
  const looked = new Gate();
  const server = await serve(t, async (message, context) => {
    if (message.text() !== "slow") return;
    await gone.opened;
    states.push(context.signal.aborted);
    looked.open();
  });
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("slow", { timeoutMs: 10 })), "TIMEOUT unknown");
  await client.send("fence");
  gone.open();
  await looked.opened;
  assert.deepEqual(states, [true]);
});

test("thousands of sends on one signal leave no listener behind", async (t) => {
  const server = await serve(t, () => "ok");
  const client = await connect(t, server);
  const { signal } = new AbortController();
  let listeners = 0;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  await Promise.all(Array.from({ length: 2_000 }, () => client.send("a", { signal, timeoutMs: 30_000 })));
  assert.equal(listeners, 0);
});

test("a ping gives up like a send", async (t) => {
  const server = await serve(t, () => "ok");
  const client = await connect(t, server);
  assert.equal(await outcome(client.ping({ signal: AbortSignal.abort() })), "CANCELLED unsent");
  const controller = new AbortController();
  const pinging = outcome(client.ping({ signal: controller.signal }));
  controller.abort();
  assert.equal(await pinging, "CANCELLED unsent");
});
