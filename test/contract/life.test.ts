import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { clientOf, connect, contract, procedure, serve } from "../../src/contract/index.js";
import { cut, Gate, rejection, socketPath } from "../peer/support.js";
import { later } from "./support.js";

const counter = (version: string) =>
  contract("counter", version, {
    add: procedure({ input: z.number(), output: z.number() }),
    count: procedure({ input: z.number(), yields: z.number() }),
  });

const handlers = {
  add: (by: number) => by + 1,
  async *count(to: number) {
    for (let index = 1; index <= to; index++) yield index;
  },
};

test("calls and streams of a contract wait for the next server, when their caller says so", async (t) => {
  const address = socketPath(t);
  const first = await serve(address, counter("1.0.0"), handlers);
  const api = await connect(address, counter("1.0.0"), { retry: "unsent" });
  t.after(() => cut(clientOf(api)));
  assert.equal(await api.add(1), 2);
  await first.close();
  assert.match((await rejection(api.add(1, { retry: false }))).code, /^(NO_SERVER|CONNECTION_CLOSED)$/);
  const calls = [api.add(1), api.add(2)];
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of api.count(3)) seen.push(item);
  })();
  const second = await serve(address, counter("1.1.0"), { ...handlers, add: (by) => by + 10 });
  t.after(() => cut(second));
  assert.deepEqual(await Promise.all(calls), [11, 12]);
  await reading;
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a call whose reply is lost is answered from the server's memory", async (t) => {
  const address = socketPath(t);
  const [begun, go] = [later(), new Gate()];
  let handled = 0;
  const server = await serve(address, counter("1.0.0"), {
    ...handlers,
    add: async (by) => {
      handled++;
      begun.resolve();
      await go.opened;
      return by + handled;
    },
  });
  t.after(() => cut(server));
  const api = await connect(address, counter("1.0.0"), { retry: "idempotent" });
  t.after(() => cut(clientOf(api)));
  const first = api.add(1, { id: "x" });
  await begun.promise;
  const second = api.add(1, { id: "x" });
  go.open();
  assert.deepEqual([await first, await second, await api.add(5, { id: "x" }), handled], [2, 2, 2, 1]);
  assert.equal(await api.add(5), 7);
});

test("a server of another contract ends the wait of all calls with CONTRACT_MISMATCH", async (t) => {
  const address = socketPath(t);
  const first = await serve(address, counter("1.0.0"), handlers);
  const api = await connect(address, counter("1.0.0"), { retry: "idempotent" });
  t.after(() => cut(clientOf(api)));
  await api.add(1);
  await first.close();
  const waiting = [rejection(api.add(1)), rejection(api.add(2))];
  const second = await serve(address, counter("2.0.0"), handlers);
  t.after(() => cut(second));
  for (const error of await Promise.all(waiting)) {
    assert.deepEqual([error.code, error.op, error.delivery], ["CONTRACT_MISMATCH", "call", "unsent"]);
  }
  const { state } = clientOf(api);
  assert.ok(state.kind === "waiting" && state.cause?.code === "CONTRACT_MISMATCH" && state.retryAt === undefined);
});
