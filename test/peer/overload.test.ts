import assert from "node:assert/strict";
import { test } from "node:test";
import { connect as connectApi, contract, procedure, serve as serveContract, type } from "../../src/contract/index.js";
import { connect, cut, Gate, outcome, rejection, serve, serveStreams, socketPath } from "./support.js";

test("what a server has no place for is told so, with a hint, and was not handled", async (t) => {
  const gate = new Gate();
  let handled = 0;
  const handler = async () => {
    handled++;
    await gate.opened;
    return "done";
  };
  const server = await serve(t, handler, { overload: { maxHandling: 2, maxWaiting: 3 } });
  const [first, second] = [await connect(t, server), await connect(t, server)];
  const sends = Array.from({ length: 10 }, (_, index) => outcome((index % 2 === 0 ? first : second).send("x")));
  // Both have said all that they have to say, and heard what there is to hear.
  await Promise.all([first.ping(), second.ping()]);
  gate.open();
  const outcomes = await Promise.all(sends);
  assert.equal(outcomes.filter((one) => one === "reply done").length, 5);
  assert.equal(outcomes.filter((one) => one === "OVERLOADED unsent").length, 5);
  assert.equal(handled, 5);
});

test("a refused message is unsent and says when to come back", async (t) => {
  const gate = new Gate();
  const began = new Gate();
  const handler = async () => {
    began.open();
    await gate.opened;
    return "";
  };
  const server = await serve(t, handler, { overload: { maxHandling: 1, maxWaiting: 0 } });
  const client = await connect(t, server);
  const first = client.send("x");
  await began.opened;
  const error = await rejection(client.send("y"));
  assert.equal(error.code, "OVERLOADED");
  assert.equal(error.delivery, "unsent");
  assert.equal(error.retryAfterMs, 1_000);
  assert.equal(error.remoteCode, undefined);
  assert.match(error.message, /the server is overloaded: .*come back in 1000 ms/);
  gate.open();
  assert.equal(await outcome(first), "reply ");
  assert.equal(await outcome(client.send("z")), "reply ");
});

test("a caller that gives up while it waits frees its place, and is never handled", async (t) => {
  const gate = new Gate();
  const began = new Gate();
  const seen: string[] = [];
  const server = await serve(
    t,
    async (message) => {
      seen.push(message.text());
      began.open();
      await gate.opened;
    },
    { overload: { maxHandling: 1, maxWaiting: 1 } },
  );
  const client = await connect(t, server);
  const first = client.send("first");
  await began.opened;
  const controller = new AbortController();
  const second = client.send("second", { signal: controller.signal });
  // It has come when what is behind it is refused.
  assert.equal((await rejection(client.send("third"))).code, "OVERLOADED");
  controller.abort();
  assert.equal((await rejection(second)).code, "CANCELLED");
  const fourth = client.send("fourth");
  await client.ping();
  const other = await connect(t, server);
  gate.open();
  await Promise.all([first, fourth]);
  await cut(client);
  assert.equal(await outcome(other.send("fifth")), "reply ");
  assert.deepEqual(seen, ["first", "fourth", "fifth"]);
});

test("connections that are cut while their messages wait leave nothing behind", async (t) => {
  const gate = new Gate();
  const began = new Gate();
  let handled = 0;
  const handler = async () => {
    handled++;
    began.open();
    await gate.opened;
    return "";
  };
  const server = await serve(t, handler, { overload: { maxHandling: 1, maxWaiting: 2 } });
  const [busy, gone] = [await connect(t, server), await connect(t, server)];
  const first = busy.send("x");
  await began.opened;
  const waiting = [gone.send("1"), gone.send("2")];
  assert.equal((await rejection(gone.send("3"))).code, "OVERLOADED");
  await cut(gone);
  await Promise.allSettled(waiting);
  while (server.connectionCount > 1) await busy.ping();
  const next = [busy.send("4"), busy.send("5")];
  gate.open();
  await Promise.all([first, ...next]);
  assert.equal(handled, 3);
});

test("streams and contracts take places like any other message", async (t) => {
  const server = await serveStreams(
    t,
    async (message) => {
      const { byteLength } = await message.collect();
      return String(byteLength);
    },
    { overload: { maxHandling: 1 } },
  );
  const client = await connect(t, server);
  const big = Buffer.alloc(300_000);
  const replies = await Promise.all(Array.from({ length: 5 }, () => client.send(big)));
  assert.deepEqual(
    replies.map((reply) => reply.text()),
    Array(5).fill("300000"),
  );
  const sums = contract("sums", "1.0.0", { add: procedure({ input: type<number[]>(), output: type<number>() }) });
  const address = socketPath(t);
  const handlers = { add: async (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0) };
  const served = await serveContract(address, sums, handlers, { overload: { maxHandling: 1, maxWaiting: 100 } });
  t.after(() => cut(served));
  const api = await connectApi(address, sums);
  assert.deepEqual(
    await Promise.all(Array.from({ length: 20 }, (_, n) => api.add([n, 1]))),
    Array.from({ length: 20 }, (_, n) => n + 1),
  );
  await api[Symbol.asyncDispose]();
});

test("a handler that fails, and one whose reply is a stream, free their places when they are over", async (t) => {
  const server = await serve(
    t,
    (message) => {
      if (message.text() === "fail") throw new Error("no");
      return (async function* () {
        yield "a";
        yield "b";
      })();
    },
    { overload: { maxHandling: 1, maxWaiting: 100 } },
  );
  const client = await connect(t, server);
  const sends = Array.from({ length: 30 }, (_, index) => outcome(client.send(index % 3 === 0 ? "fail" : "stream")));
  const expected = Array.from({ length: 30 }, (_, index) => (index % 3 === 0 ? "HANDLER_FAILED unknown" : "reply ab"));
  assert.deepEqual(await Promise.all(sends), expected);
});

test("options that cannot be used are named", async (t) => {
  for (const [overload, text] of [
    [{ maxHandling: 0 }, /Cannot use overload\.maxHandling: 0/],
    [{ maxWaiting: -1 }, /Cannot use overload\.maxWaiting: -1/],
    [{ maxWaitingMs: 1.5 }, /Cannot use overload\.maxWaitingMs: 1.5/],
    [7 as never, /Cannot use overload: 7/],
  ] as const) {
    const error = await rejection(serve(t, () => undefined, { overload }));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, text);
  }
});
