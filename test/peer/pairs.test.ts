import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Client, type Duplex, EarshotError, listen, type Server, type StreamHandler } from "../../src/index.js";
import { connect, cut, Gate, rejection, socketPath } from "./support.js";

interface Ends {
  readonly client: Client;
  readonly server: Server;
  readonly ours: Duplex;
  readonly theirs: Duplex;
  /** The server's handler waits for it. */
  readonly settle: (outcome?: Error) => void;
}

/** Both ends of a pair, on which the client has said `hello`, which nobody has read. */
async function ends(t: TestContext): Promise<Ends> {
  let settle: (outcome?: Error) => void = () => {};
  const outcome = new Promise<Error | undefined>((resolve) => {
    settle = resolve;
  });
  let onPair: (pair: Duplex) => void = () => {};
  const accepted = new Promise<Duplex>((resolve) => {
    onPair = resolve;
  });
  const accept: StreamHandler = async (message) => {
    onPair(message.accept());
    const error = await outcome;
    if (error !== undefined) throw error;
    return undefined;
  };
  const server = await listen(socketPath(t), accept, { body: "stream" });
  t.after(() => cut(server));
  const client = await connect(t, server);
  const ours = client.open();
  await write(ours, "hello");
  return { client, server, ours, theirs: await accepted, settle };
}

async function write(pair: Duplex, text: string): Promise<void> {
  const writer = pair.writable.getWriter();
  try {
    await writer.write(Buffer.from(text));
  } finally {
    writer.releaseLock();
  }
}

/** All that it says until it ends. */
async function read(pair: Duplex): Promise<string> {
  let all = "";
  for await (const bytes of pair.readable) all += Buffer.from(bytes).toString();
  return all;
}

/** How it was over: `"ended"` or the code. */
async function end(pair: Duplex): Promise<string> {
  const reason = await pair.closed;
  assert.ok(reason === undefined || reason instanceof EarshotError);
  return reason?.code ?? "ended";
}

test("a pair that both sides close has ended, when all of it is read", async (t) => {
  const { ours, theirs } = await ends(t);
  await Promise.all([ours.writable.close(), theirs.writable.close()]);
  assert.deepEqual([await read(ours), await read(theirs)], ["", "hello"]);
  assert.deepEqual([await end(ours), await end(theirs)], ["ended", "ended"]);
});

test("when the handler settles both directions have ended, and what is written then is not lost silently", async (t) => {
  const { ours, theirs, settle } = await ends(t);
  await write(theirs, "last words");
  settle();
  assert.equal(await end(theirs), "ended");
  const error = await rejection(write(theirs, "too late"));
  assert.deepEqual(
    [error.code, error.message],
    ["CONNECTION_CLOSED", "Cannot send any more: the handler has settled, which ended both directions"],
  );
  assert.equal(await read(ours), "last words");
  // What it had written was not read.
  assert.equal(await end(ours), "CANCELLED");
});

test("a handler that has read all may settle without closing", async (t) => {
  const { ours, theirs, settle } = await ends(t);
  await ours.writable.close();
  assert.equal(await read(theirs), "hello");
  settle();
  assert.equal(await read(ours), "");
  assert.deepEqual([await end(ours), await end(theirs)], ["ended", "ended"]);
});

test("when the handler throws its pair is over, with its error as the cause", async (t) => {
  const { ours, theirs, settle } = await ends(t);
  const error = Object.assign(new Error("no"), { code: "NO" });
  settle(error);
  assert.equal((await theirs.closed)?.cause, error);
  assert.equal((await rejection(write(theirs, "too late"))).code, "HANDLER_FAILED");
  assert.equal((await rejection(read(ours))).remoteCode, "NO");
  assert.equal(await end(ours), "HANDLER_FAILED");
});

for (const [who, leave] of [
  ["client", ({ client }: Ends) => cut(client)],
  ["server", ({ server }: Ends) => cut(server)],
] as const) {
  test(`when the ${who} is cut both sides know, also of what they have not read`, async (t) => {
    const pair = await ends(t);
    const { ours, theirs } = pair;
    await write(theirs, "a");
    // Read, and kept by the stream.
    await pair.client.ping();
    await leave(pair);
    const here = "CONNECTION_CLOSED";
    const there = "CONNECTION_LOST";
    assert.deepEqual([await end(ours), await end(theirs)], who === "client" ? [here, there] : [there, here]);
    for (const side of [ours, theirs]) {
      assert.equal((await rejection(write(side, "b"))).code, await end(side));
      assert.equal((await rejection(read(side))).code, await end(side));
    }
  });
}

for (const who of ["ours", "theirs"] as const) {
  test(`aborting ${who} breaks off both directions on both sides`, async (t) => {
    const pair = await ends(t);
    const { ours, theirs } = pair;
    const reading = [rejection(read(ours)), rejection(read(theirs))];
    await write(theirs, "hello");
    const cause = new Error("bored");
    await pair[who].writable.abort(cause);
    assert.deepEqual([await end(ours), await end(theirs)], ["CANCELLED", "CANCELLED"]);
    assert.equal((await pair[who].closed)?.cause, cause);
    assert.deepEqual(
      (await Promise.all(reading)).map(({ code }) => code),
      ["CANCELLED", "CANCELLED"],
    );
    pair.settle();
    await pair.client.close();
    await pair.server.close();
  });
}

test("a pair that is opened or accepted too late is over at once", async (t) => {
  const gate = new Gate();
  let onAccept: (pair: Duplex) => void = () => {};
  const accepted = new Promise<Duplex>((resolve) => {
    onAccept = resolve;
  });
  const accept: StreamHandler = async (message) => {
    await gate.opened;
    onAccept(message.accept());
    return undefined;
  };
  const server = await listen(socketPath(t), accept, { body: "stream" });
  t.after(() => cut(server));
  const client = await connect(t, server);
  const abort = new AbortController();
  const early = client.open({ signal: abort.signal });
  await write(early, "hello");
  await client.ping();
  abort.abort();
  await client.ping();
  gate.open();
  assert.equal(await end(await accepted), "CANCELLED");
  assert.equal(await end(early), "CANCELLED");
  assert.equal(await end(client.open({ signal: abort.signal })), "CANCELLED");
  await client.close();
  assert.equal(await end(client.open()), "CONNECTION_CLOSED");
});
