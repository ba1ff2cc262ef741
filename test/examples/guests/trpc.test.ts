import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createTRPCClient, TRPCClientError } from "@trpc/client";
import { initTRPC } from "@trpc/server";
import type { Peer } from "earshot";
import { z } from "zod";
import { earshotLink, serve } from "../../../examples/guests/trpc.js";
import { closing, connect, LIMIT, LONG_TEXT, prints, socketPath } from "./support.js";

const { procedure, router } = initTRPC.context<{ readonly peer: Peer }>().create();

function makeRouter(onLeft: () => void) {
  return router({
    echo: procedure.input(z.string()).query(({ input }) => input),
    nothing: procedure.mutation(() => {}),
    uid: procedure.query(({ ctx }) => ctx.peer.credentials?.uid),
    wait: procedure.query(({ signal }) => {
      return new Promise<void>((_, reject) => {
        signal?.addEventListener("abort", () => {
          onLeft();
          reject(signal.reason);
        });
      });
    }),
    count: procedure.subscription(async function* () {
      try {
        for (let count = 0; ; count++) yield count;
      } finally {
        onLeft();
      }
    }),
    broken: procedure.subscription(async function* () {
      yield 1;
      throw new Error("no more");
    }),
  });
}

async function start(t: TestContext) {
  let onLeft = () => {};
  const left = new Promise<void>((resolve) => {
    onLeft = resolve;
  });
  const server = closing(t, await serve(socketPath(t), makeRouter(onLeft)));
  const client = await connect(t, server.address);
  const trpc = createTRPCClient<ReturnType<typeof makeRouter>>({ links: [earshotLink(client)] });
  return { server, client, trpc, left };
}

/** The code of the `EarshotError` behind tRPC's own. */
async function causeOf(calling: Promise<unknown>): Promise<unknown> {
  const error = await calling.then(() => undefined).catch((reason: unknown) => reason);
  assert.ok(error instanceof TRPCClientError, String(error));
  return (error.cause as { code?: string } | undefined)?.code;
}

test("trpc.js mutates, queries, subscribes, is told of errors, and aborts", LIMIT, async (t) => {
  const path = socketPath(t);
  const lines = ["note 1", "buy milk", "NOT_FOUND: there is no note 2", "3", "2", "1"];
  await prints(t, "trpc", [...lines, `Cannot send to "unix:${path}": its signal was aborted`], path);
});

test(
  "megabytes of any characters come through tRPC as they were, many at a time, and nothing as nothing",
  LIMIT,
  async (t) => {
    const { trpc } = await start(t);
    const texts = [0, 1, 2, 3].map((index) => LONG_TEXT + index);
    assert.deepEqual(await Promise.all(texts.map((text) => trpc.echo.query(text))), texts);
    assert.equal(await trpc.nothing.mutate(), undefined);
  },
);

test("a tRPC procedure knows who calls, and wrong input is the caller's error", LIMIT, async (t) => {
  const { trpc } = await start(t);
  const uid = await trpc.uid.query();
  assert.ok(uid === undefined || uid === process.getuid?.());
  await assert.rejects(trpc.echo.query(1 as never), (error: TRPCClientError<ReturnType<typeof makeRouter>>) => {
    return error.data?.code === "BAD_REQUEST";
  });
});

test("a tRPC call that is aborted stops at the server", LIMIT, async (t) => {
  const { trpc, client, left } = await start(t);
  const abort = new AbortController();
  const waiting = causeOf(trpc.wait.query(undefined, { signal: abort.signal }));
  await client.ping();
  abort.abort();
  assert.equal(await waiting, "CANCELLED");
  await left;
});

test("a tRPC subscription that is left stops at the server", LIMIT, async (t) => {
  const { trpc, left } = await start(t);
  const counts: number[] = [];
  await new Promise<void>((resolve, reject) => {
    const onData = (count: number) => {
      counts.push(count);
      if (count < 10_000) return;
      subscription.unsubscribe();
      resolve();
    };
    const subscription = trpc.count.subscribe(undefined, { onData, onError: reject });
  });
  await left;
  assert.deepEqual(
    counts,
    counts.map((_, index) => index),
  );
});

test("an error in the middle of a tRPC subscription comes behind what was before it", LIMIT, async (t) => {
  const { trpc } = await start(t);
  const told: unknown[] = [];
  await new Promise<void>((resolve) => {
    const onError = (error: { readonly message: string }) => {
      told.push(error.message);
      resolve();
    };
    trpc.broken.subscribe(undefined, { onData: (count) => told.push(count), onError });
  });
  assert.deepEqual(told, [1, "no more"]);
});

test("pending calls of tRPC reject with the reason when the server is gone", LIMIT, async (t) => {
  const { trpc, client, server } = await start(t);
  const waiting = causeOf(trpc.wait.query());
  const subscribing = new Promise((resolve) => void trpc.count.subscribe(undefined, { onError: resolve }));
  await client.ping();
  void server.close();
  void server.close();
  assert.equal(await waiting, "CONNECTION_LOST");
  assert.ok((await subscribing) instanceof TRPCClientError);
  // Whether it still finds the connection, or looks for the next one.
  assert.match(String(await causeOf(trpc.uid.query())), /^(CONNECTION_LOST|NO_SERVER)$/);
});
