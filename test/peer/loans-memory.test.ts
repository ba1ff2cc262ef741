/** Memory that both sides see: who has it when, and that nothing of it stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Client, Context, Message, Server } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import { Child, until } from "../support/children.js";
import { CAN_SHARE, mappingsOf, socketsOf } from "../support/shared.js";
import { compileFixture } from "../support/starter.js";
import { require as requires } from "../support/tools.js";
import { connect, cut, Gate, rejection, serve, socketPath } from "./support.js";

const SIZE = 200_000;
const KILL_ROUNDS = Number(process.env.EARSHOT_KILL_ROUNDS ?? "5");

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Two sides, over rings already; and how much was mapped before there was any loan. */
async function pair(
  t: Parameters<typeof serve>[0],
  handler: (message: Message, context: Context) => unknown,
  options: { readonly maxBytes?: number; readonly body?: "message" | "borrowed"; readonly overload?: object } = {},
): Promise<{ server: Server; client: Client; rings: number }> {
  const { maxBytes = 67_108_864, body = "borrowed", overload } = options;
  await until(() => {
    collectGarbage();
    return mappingsOf() === 0;
  }, "the memory of other tests to be gone");
  const shared = { maxBytes };
  const server = await serve(t, handler as never, { lane: "shared", body, shared, overload });
  const client = await connect(t, server, { lane: "shared", shared });
  for (let pings = 0; pings < 2; pings++) await client.ping();
  return { server, client, rings: mappingsOf() };
}

async function sendLoan(client: Client, bytes: Uint8Array): Promise<Message> {
  const loan = await client.loan(bytes.length);
  loan.bytes.set(bytes);
  return client.send(loan);
}

test("a handler reads a loan where it is; afterwards views are empty, reading throws, and a copy stays", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const seen: { message: Message; view: Uint8Array; copy: Uint8Array; text: string }[] = [];
  const { client, rings } = await pair(t, (message) => {
    seen.push({ message, view: message.bytes, copy: message.copy(), text: message.text() });
  });
  for (let index = 0; index < 5; index++) await sendLoan(client, pattern(SIZE, index));
  // All in one slab, mapped by both.
  assert.equal(mappingsOf(), rings + 2);
  for (const [index, { message, view, copy, text }] of seen.entries()) {
    assert.deepEqual([view.length, view.buffer.byteLength, message.byteLength], [0, 0, SIZE]);
    assert.ok(Buffer.from(copy).equals(pattern(SIZE, index)));
    assert.equal(text, pattern(SIZE, index).toString());
    for (const read of [() => message.bytes, () => message.text(), () => message.json(), () => message.copy()])
      assert.throws(read, { name: "EarshotError", code: "INVALID_ARGUMENT", message: /copy\(\) keeps the bytes/ });
  }
});

test("a handler may give a message back before it settles", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const gate = new Gate();
  const { client, rings } = await pair(t, async (message: Message) => {
    message[Symbol.dispose]();
    assert.throws(() => message.bytes, { code: "INVALID_ARGUMENT" });
    await gate.opened;
  });
  const sending = [];
  for (let count = 0; count < 4; count++) {
    sending.push(sendLoan(client, pattern(SIZE)));
    await client.ping();
  }
  assert.equal(mappingsOf(), rings + 2);
  gate.open();
  await Promise.all(sending);
});

test("a message that is lent cannot be given away, and a reply that is part of it is copied", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const { client } = await pair(t, (message: Message) => {
    const { bytes } = message;
    try {
      structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    } catch {
      // Newer Nodes say so, older ones copy.
    }
    assert.equal(bytes.length, SIZE);
    return bytes.subarray(1_000);
  });
  for (let index = 0; index < 3; index++) {
    const reply = await sendLoan(client, pattern(SIZE, index));
    assert.ok(Buffer.from(reply.bytes).equals(pattern(SIZE, index).subarray(1_000)));
  }
});

test("a message that is read for long keeps its memory, and its bytes, whatever else is sent", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const gate = new Gate();
  const { client } = await pair(t, async (message: Message) => {
    const before = message.copy();
    if (before[0] === 255) await gate.opened;
    assert.ok(Buffer.from(message.bytes).equals(before));
  });
  const long = sendLoan(client, new Uint8Array(SIZE).fill(255));
  for (let index = 0; index < 20; index++) await sendLoan(client, new Uint8Array(SIZE).fill(index));
  gate.open();
  await long;
});

test("a reply is lent until it is disposed of, or until nobody knows it any more", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const lend = (message: Message, context: Context) => {
    const loan = context.loan(SIZE);
    loan.bytes.fill(Number(message.text()));
    return loan;
  };
  const { client, rings } = await pair(t, lend);
  let kept: Uint8Array | undefined;
  {
    using reply = await client.send("1", { body: "borrowed" });
    kept = reply.bytes;
    assert.deepEqual([kept.length, kept[0]], [SIZE, 1]);
  }
  assert.equal(kept.length, 0);
  // Held by their views alone: no other reply may get their memory.
  const views: Uint8Array[] = [];
  for (let index = 1; index <= 3; index++) views.push((await client.send(String(index), { body: "borrowed" })).bytes);
  collectGarbage();
  await setTimeout(20);
  await client.send("9");
  assert.deepEqual(
    views.map((view) => [view.length, view[0]]),
    [1, 2, 3].map((index) => [SIZE, index]),
  );
  assert.equal(mappingsOf(), rings + 8);
  views.length = 0;
  for (let round = 0; round < 20; round++) {
    collectGarbage();
    await setTimeout(10);
  }
  // With all four free, four more need no other.
  const replies = await Promise.all(["4", "5", "6", "7"].map((text) => client.send(text, { body: "borrowed" })));
  assert.equal(mappingsOf(), rings + 8);
  assert.deepEqual(
    replies.map(({ bytes }) => bytes.at(-1)),
    [4, 5, 6, 7],
  );
});

test("a loan that is forgotten is free again, and so is one that is disposed of", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const { client, rings } = await pair(t, () => "", { maxBytes: 4 * 262_144 });
  for (let round = 0; round < 30; round++) {
    await client.loan(SIZE);
    collectGarbage();
    await setTimeout(2);
  }
  for (let round = 0; round < 30; round++) (await client.loan(SIZE))[Symbol.dispose]();
  assert.ok(mappingsOf() <= rings + 4);
  const loan = await client.loan(SIZE);
  assert.ok(mappingsOf() > rings);
  await client.send(loan);
});

test("a loan that is copied, refused or given up leaves its memory to the next one", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const gate = new Gate();
  const overload = { maxHandling: 1, maxWaiting: 0 };
  const { client, rings } = await pair(t, () => gate.opened, { overload });
  const first = client.send("keeps the only place");
  for (let round = 0; round < 10; round++) {
    assert.equal((await rejection(sendLoan(client, pattern(SIZE)))).code, "OVERLOADED");
    const loan = await client.loan(SIZE);
    // If its time is over when it is refused, that is what it is told.
    const { code } = await rejection(client.send(loan, { retry: "unsent", timeoutMs: 5 }));
    assert.match(code, /^(TIMEOUT|OVERLOADED)$/);
    const aborted = await client.loan(SIZE);
    assert.equal((await rejection(client.send(aborted, { signal: AbortSignal.abort() }))).code, "CANCELLED");
  }
  assert.ok(mappingsOf() <= rings + 2, `${mappingsOf() - rings} mappings`);
  gate.open();
  await first;
});

test("there are at most shared.maxBytes and 64 slabs; what finds no place is ordinary memory", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  for (const [maxBytes, most] of [
    [8 * 65_536, 8],
    [67_108_864, 64],
  ] as const) {
    const { client, server, rings } = await pair(t, (message: Message) => `${message.bytes[0]}`, {
      maxBytes: Math.max(maxBytes, 2 * 262_144 + 65_536),
    });
    const loans = [];
    for (let index = 0; index < 70; index++) {
      const loan = await client.loan(50_000);
      loan.bytes.fill(index);
      loans.push(loan);
    }
    const expected = maxBytes === 67_108_864 ? most : Math.floor((2 * 262_144 + 65_536) / 65_536);
    assert.equal(mappingsOf(), rings + expected);
    const replies = await Promise.all(loans.map((loan) => client.send(loan)));
    assert.deepEqual(
      replies.map((reply) => reply.text()),
      loans.map((_, index) => String(index)),
    );
    await cut(client);
    await cut(server);
  }
});

test("slabs that nobody has needed for five seconds are let go, by both sides", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const { client, rings } = await pair(t, (_message: Message, context: Context) => context.loan(SIZE));
  await sendLoan(client, pattern(SIZE));
  assert.equal(mappingsOf(), rings + 4);
  await until(() => mappingsOf() === rings, "the slabs to be let go", 30_000);
  assert.equal((await sendLoan(client, pattern(SIZE))).byteLength, SIZE);
});

test("when a connection is closed, nothing stays but what is still read, and that goes with its last view", async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const before = [mappingsOf(), socketsOf()] as const;
  const gate = new Gate();
  const entered = new Gate();
  let isWhole = false;
  const { client, server } = await pair(t, async (message: Message, context: Context) => {
    if (message.byteLength < SIZE) return context.loan(SIZE);
    entered.open();
    await gate.opened;
    isWhole = Buffer.from(message.bytes).equals(pattern(SIZE)) && message.copy().length === SIZE;
    return undefined;
  });
  const reply = await client.send("lend me something", { body: "borrowed" });
  reply.bytes.fill(7);
  const held = await client.loan(SIZE);
  held.bytes.fill(8);
  const sending = rejection(sendLoan(client, pattern(SIZE)));
  await entered.opened;
  await cut(client);
  await sending;
  await until(() => server.connectionCount === 0, "the connection to be gone");
  assert.deepEqual([reply.bytes[0], reply.text()[0], held.bytes[0]], [7, "\u0007", 8]);
  // The reply, the loan, and what the handler reads.
  await until(() => mappingsOf() <= before[0] + 4, "the rest to be gone");
  gate.open();
  reply[Symbol.dispose]();
  held[Symbol.dispose]();
  await cut(server);
  assert.equal(isWhole, true);
  await until(() => mappingsOf() === before[0] && socketsOf() <= before[1], "nothing of it to be left");
});

test("when either side is killed while loans are under way, no memory, mapping or descriptor of it stays", {
  timeout: KILL_ROUNDS * 20_000 + 60_000,
}, async (t) => {
  if (!requires(t, CAN_SHARE, "there is no shared memory")) return;
  const program = await compileFixture(t, "loan-peer");
  const lend = (message: Message, context: Context) => {
    const loan = context.loan(message.byteLength);
    loan.bytes.set(message.bytes);
    return loan;
  };
  const server = await serve(t, lend, { lane: "shared", body: "borrowed" });
  await setTimeout(20);
  const before = [mappingsOf(), socketsOf()] as const;
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const client = await Child.startCompiled(t, program);
    await client.call("lend", { address: server.address, isBorrowed: round % 2 === 0 });
    await until(() => client.said.length > 0, "the client to be busy");
    assert.ok(mappingsOf() > before[0] + 1);
    await setTimeout(Math.random() * 50);
    await client.kill();
    await until(() => server.connectionCount === 0, "the client to be gone");
    await until(() => mappingsOf() === before[0] && socketsOf() <= before[1], "nothing of it to be left");

    const address = socketPath(t);
    const other = await Child.startCompiled(t, program);
    await other.call("serve", { address });
    const dialed = await connect(t, { address }, { lane: "shared" });
    let isAlive = true;
    const sends = Array.from({ length: 4 }, async (_, index) => {
      while (isAlive) {
        const loan = await dialed.loan(SIZE + index);
        using reply = await dialed.send(loan, { body: "borrowed" }).catch(() => undefined);
        if (reply === undefined) isAlive = false;
        else assert.equal(reply.byteLength, SIZE + index);
      }
    });
    await setTimeout(50 + Math.random() * 50);
    await other.kill();
    await Promise.all(sends);
    await cut(dialed);
    await until(() => mappingsOf() === before[0] && socketsOf() <= before[1], "nothing of it to be left");
  }
});
