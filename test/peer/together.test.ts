import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, type Handler, listen } from "../../src/index.js";
import { pattern } from "../support/bytes.js";
import { connect, Gate, outcome, serve, socketPath, WIRES } from "./support.js";

test("several servers and many clients in one process keep their messages apart", async (t) => {
  const names = ["one", "two", "three"];
  const servers = await Promise.all(names.map((name) => serve(t, (message) => `${name}: ${message.text()}`)));
  const work = servers.flatMap((server, which) =>
    Array.from({ length: 10 }, async (_, client) => {
      const { send } = boundSend(await connect(t, server, { wire: WIRES[client % 2] }));
      const replies = await Promise.all(Array.from({ length: 30 }, (_, index) => send(`${client}/${index}`)));
      assert.deepEqual(
        replies,
        replies.map((_, index) => `reply ${names[which]}: ${client}/${index}`),
      );
    }),
  );
  await Promise.all(work);
});

function boundSend(client: Client) {
  return { send: (text: string) => outcome(client.send(text)) };
}

test("small messages of one client reach the handler in the order in which they were sent", async (t) => {
  const order: number[] = [];
  const server = await serve(t, (message) => void order.push(Number(message.text())));
  const client = await connect(t, server);
  const sending: Promise<unknown>[] = [];
  for (let index = 0; index < 5_000; index++) {
    sending.push(client.send(String(index)));
    if (index % 700 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(sending);
  assert.deepEqual(
    order,
    order.map((_, index) => index),
  );
  assert.equal(order.length, 5_000);
});

test("replies resolve when they are ready, whatever the order of their messages", async (t) => {
  const gates = new Map<string, Gate>();
  const begun = new Gate();
  const server = await serve(t, async (message) => {
    const gate = new Gate();
    gates.set(message.text(), gate);
    if (gates.size === 5) begun.open();
    await gate.opened;
    return message.bytes;
  });
  const client = await connect(t, server);
  const settled: string[] = [];
  const sending = new Map(
    ["a", "b", "c", "d", "e"].map((name) => [name, outcome(client.send(name)).then((text) => settled.push(text))]),
  );
  await begun.opened;
  for (const name of ["e", "c", "a", "d", "b"]) {
    gates.get(name)?.open();
    await sending.get(name);
  }
  assert.deepEqual(settled, ["reply e", "reply c", "reply a", "reply d", "reply b"]);
});

test("a small message is not held up by a large one, in either direction", async (t) => {
  const large = pattern(30_000_000);
  const server = await serve(t, (message) => (message.text() === "small" ? "small" : large));
  const client = await connect(t, server);
  await client.ping();
  const settled: string[] = [];
  const bulk = client.send(large).then(() => settled.push("large"));
  await new Promise((resolve) => setImmediate(resolve));
  await client.send("small").then(() => settled.push("small"));
  await bulk;
  assert.deepEqual(settled, ["small", "large"]);
});

test("a handler may call its own server, to a depth of twenty", async (t) => {
  const path = socketPath(t);
  let client: Client;
  const handler: Handler = async (message) => {
    const depth = Number(message.text());
    if (depth === 0) return "bottom";
    return `${depth} ${(await client.send(String(depth - 1))).text()}`;
  };
  await using _server = await listen(path, handler);
  client = await connect(t, { address: path });
  assert.equal(
    await outcome(client.send("20")),
    `reply ${Array.from({ length: 20 }, (_, i) => 20 - i).join(" ")} bottom`,
  );
});

test("a handler may send to the client's own server: two programs that talk both ways", async (t) => {
  const [left, right] = [socketPath(t), socketPath(t)];
  await using _left = await listen(left, async (message) => {
    await using client = await (await import("../../src/index.js")).dial(right);
    return `left(${(await client.send(message.bytes)).text()})`;
  });
  await using _right = await listen(right, (message) => `right(${message.text()})`);
  const client = await connect(t, { address: left });
  assert.equal(await outcome(client.send("x")), "reply left(right(x))");
});

test("a thousand clients that come, send once and go leave nothing behind", async (t) => {
  const server = await serve(t, (message) => message.bytes);
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const client = await connect(t, server, { wire: WIRES[index % 2] });
        assert.equal(await outcome(client.send(`${round}/${index}`)), `reply ${round}/${index}`);
        await client.close();
      }),
    );
  }
  while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
});
