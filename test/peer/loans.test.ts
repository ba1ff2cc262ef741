/** Loans as users have them: the same code, whether there is memory that both sides see or not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DialOptions, type ListenOptions, type Loan, listen, type Message } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import { Child, until } from "../support/children.js";
import { CAN_SHARE, mappingsOf } from "../support/shared.js";
import { require as requires } from "../support/tools.js";
import { connect, cut, outcome, readAll, rejection, serve, serveStreams, socketPath } from "./support.js";

const SIZES = [0, 1, 16_383, 16_384, 65_536, 65_537, 1_048_576, 3_000_000];

const WAYS: readonly (readonly [string, ListenOptions, DialOptions])[] = [
  ["shared memory from the first message on", { lane: "shared" }, {}],
  ["shared memory when it is worth it", { lane: "auto" }, {}],
  ["a socket", { lane: "socket" }, {}],
  ["node:net", { lane: "shared", transport: "net" }, {}],
  ["the plain wire", { lane: "shared" }, { wire: "plain" }],
  ["too little shared memory", { lane: "shared" }, { shared: { maxBytes: 65_536 } }],
];

async function loanOf(from: { loan(bytes: number): Loan | Promise<Loan> }, bytes: Uint8Array): Promise<Loan> {
  const loan = await from.loan(bytes.length);
  assert.equal(loan.byteLength, bytes.length);
  assert.equal(loan.bytes.length, bytes.length);
  loan.bytes.set(bytes);
  return loan;
}

for (const [way, listening, dialing] of WAYS) {
  for (const body of ["message", "borrowed"] as const) {
    test(`over ${way}, loans of any size arrive whole, there and back, read as ${body}`, async (t) => {
      const echo = async (message: Message, context: { loan(bytes: number): Loan }) => loanOf(context, message.copy());
      const server = await serve(t, echo, { ...listening, body });
      const client = await connect(t, server, dialing);
      for (const size of [...SIZES, ...SIZES]) {
        if (size === 0 && dialing.wire === "plain") continue;
        const sent = pattern(size, size % 7);
        const loan = await loanOf(client, sent);
        const view = loan.bytes.subarray(0, 10);
        using reply = await client.send(loan, { body });
        assert.equal(view.length, 0);
        assert.equal(loan.bytes.length, 0);
        assert.ok(Buffer.from(reply.bytes).equals(sent), `${size} bytes`);
        assert.ok(Buffer.from(reply.copy()).equals(sent));
        assert.equal(reply.text(), sent.toString());
      }
      const many = await Promise.all(
        Array.from({ length: 40 }, async (_, index) => {
          const sent = pattern(100_000 + index, index);
          return [sent, await client.send(await loanOf(client, sent))] as const;
        }),
      );
      for (const [sent, reply] of many) assert.ok(Buffer.from(reply.bytes).equals(sent));
    });
  }
}

for (const [way, listening, dialing] of WAYS) {
  test(`over ${way}, a loan that is not its holder's any more is refused, and says what to do`, async (t) => {
    const server = await serve(t, (message) => String(message.byteLength), listening);
    const client = await connect(t, server, dialing);
    const sent = await client.loan(100_000);
    assert.equal((await client.send(sent)).text(), "100000");
    const again = await rejection(client.send(sent));
    assert.match(again.message, /^Cannot send this loan: it was sent already, .*ask for another with loan\(\)/);
    assert.equal(again.code, "INVALID_ARGUMENT");
    sent[Symbol.dispose]();
    const disposed = await client.loan(100_000);
    const view = disposed.bytes;
    disposed[Symbol.dispose]();
    disposed[Symbol.dispose]();
    assert.equal(view.length, 0);
    assert.match((await rejection(client.send(disposed))).message, /it was disposed of/);
    assert.match((await rejection(client.send(disposed, { retry: "unsent" }))).message, /it was disposed of/);
    for (const size of [-1, 1.5, Number.NaN, "1", undefined])
      assert.equal((await rejection(client.loan(size as number))).code, "INVALID_ARGUMENT", String(size));
  });
}

test("a send whose options are wrong does not take the loan; one that was given up does", async (t) => {
  const server = await serve(t, (message) => message.text(), { lane: "shared" });
  const client = await connect(t, server);
  const loan = await loanOf(client, Buffer.from("x".repeat(50)));
  for (const options of [{ timeoutMs: -1 }, { retry: "often" }, { body: "bits" }, { retry: "unsent", timeoutMs: -1 }])
    assert.equal((await rejection(client.send(loan, options as never))).code, "INVALID_ARGUMENT");
  assert.equal((await client.send(loan)).text(), "x".repeat(50));
  const late = await client.loan(100_000);
  assert.equal(await outcome(client.send(late, { signal: AbortSignal.abort() })), "CANCELLED unsent");
  assert.equal(late.bytes.length, 0);
});

test("a handler's loan is refused the same way, and so is one that it returns twice", async (t) => {
  let kept: Loan | undefined;
  const server = await serve(t, (_message, context) => {
    kept ??= context.loan(100_000);
    return kept;
  });
  const client = await connect(t, server);
  assert.equal((await client.send("")).byteLength, 100_000);
  const error = await rejection(client.send(""));
  assert.deepEqual([error.code, error.remoteCode], ["HANDLER_FAILED", "INVALID_ARGUMENT"]);
  assert.match(error.message, /sent already/);
});

test("loans go with everything else that a message may have", async (t) => {
  const server = await serve(
    t,
    (message, context) => ({ data: context.loan(message.byteLength), descriptors: context.descriptors }),
    { lane: "shared" },
  );
  const client = await connect(t, server);
  const bytes = pattern(100_000);
  const id = { id: "one", headers: { name: "value" } };
  const descriptors = CAN_SHARE ? [0] : [];
  for (let round = 0; round < 2; round++) {
    const loan = await loanOf(client, bytes);
    const reply = await client.send(loan, { ...id, descriptors, timeoutMs: 60_000, id: `number ${round}` });
    assert.deepEqual([reply.byteLength, reply.descriptors.length], [100_000, descriptors.length]);
    reply[Symbol.dispose]();
  }
  // The same id gets the reply that was given, also if that was a loan.
  const again = { ...id, id: "again" };
  const echo = await serve(t, (message, context) => loanOf(context, message.bytes), { lane: "shared" });
  const other = await connect(t, echo);
  for (let round = 0; round < 2; round++) {
    const reply = await other.send(await loanOf(other, bytes), again);
    assert.ok(Buffer.from(reply.bytes).equals(bytes));
  }
});

test("a loan that may have to be sent again is copied, so that it can be", async (t) => {
  const address = socketPath(t);
  const dying = await Child.start(t, "peer-server");
  await dying.call("listen", { address, handler: "never", options: { lane: "shared" } });
  const client = await connect(t, { address }, { lane: "shared" });
  const bytes = pattern(200_000);
  const loan = await loanOf(client, bytes);
  const sending = client.send(loan, { retry: "idempotent" });
  assert.equal(loan.bytes.length, 0);
  await until(async () => (await dying.call("handled")) === 1, "the message to be handled");
  await dying.kill();
  const server = await listen(address, (message) => message.bytes, { lane: "shared" });
  t.after(() => cut(server));
  assert.ok(Buffer.from((await sending).bytes).equals(bytes));
});

test("a loan of a connection that is gone, or of another client, is sent as any other message", async (t) => {
  const address = socketPath(t);
  const dying = await Child.start(t, "peer-server");
  await dying.call("listen", { address, handler: "echo", options: { lane: "shared" } });
  const client = await connect(t, { address }, { lane: "shared" });
  const other = await connect(t, { address }, { lane: "shared" });
  const bytes = pattern(200_000);
  const [loan, kept] = [await loanOf(client, bytes), await loanOf(client, bytes)];
  assert.ok(Buffer.from((await other.send(loan)).bytes).equals(bytes));
  await dying.kill();
  const server = await listen(address, (message) => message.bytes, { lane: "shared" });
  t.after(() => cut(server));
  assert.ok(Buffer.from(kept.bytes).equals(bytes));
  assert.ok(Buffer.from((await client.send(kept)).bytes).equals(bytes));
});

test("who reads bit by bit gets a loan, too, on either side", async (t) => {
  const bytes = pattern(300_000);
  const server = await serveStreams(
    t,
    async (message, context) => {
      const received = await readAll(message.body);
      return loanOf(context, received);
    },
    { lane: "shared" },
  );
  const client = await connect(t, server, { lane: "shared" });
  const reply = await client.send(await loanOf(client, bytes), { body: "stream" });
  assert.ok((await readAll(reply.body)).equals(bytes));
});

test("a loan that is larger than the server takes fails as any other message, and its memory serves the next", async (t) => {
  const options = { lane: "shared", maxMessageBytes: 100_000 } as const;
  const server = await serve(t, (message) => String(message.byteLength), options);
  const client = await connect(t, server);
  for (let round = 0; round < 3; round++) {
    assert.equal(await outcome(client.send(await client.loan(100_001))), "MESSAGE_TOO_LARGE unsent");
    assert.equal((await client.send(await client.loan(100_000))).text(), "100000");
  }
  const small = await connect(t, server, { maxMessageBytes: 10 });
  const large = await serve(t, (_message, context) => context.loan(100_000), { lane: "shared" });
  const reader = await connect(t, large, { maxMessageBytes: 99_999 });
  assert.match(await outcome(reader.send("")), /^MESSAGE_TOO_LARGE/);
  assert.equal((await small.send("a")).text(), "1");
});

test("large messages go through memory of both sides, where bytes do", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const before = mappingsOf();
  const server = await serve(t, (message) => message.bytes, { lane: "shared", body: "borrowed" });
  const client = await connect(t, server);
  for (let pings = 0; pings < 2; pings++) await client.ping();
  const rings = mappingsOf();
  assert.equal(rings, before + 2);
  const bytes = pattern(1_000_000);
  for (let round = 0; round < 5; round++) assert.ok(Buffer.from((await client.send(bytes)).bytes).equals(bytes));
  // One in each direction, on both sides.
  assert.equal(mappingsOf(), rings + 4);
  await client.send(pattern(200_000));
  assert.equal(mappingsOf(), rings + 4);
  await client.send("x".repeat(300_000));
  assert.equal(mappingsOf(), rings + 8);
});
