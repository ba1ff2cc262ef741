/** Subscribers that speak the wire themselves, well or badly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { credit, END, frame, open, reset, SYSTEM, stop, TYPE, WINDOW } from "../session/raw.js";
import { Raw } from "../support/raw.js";
import { connect, serve } from "./support.js";

/** `{ "do": "subscribe" }`, with credit for so many bytes of the records. */
function subscribe(exchange: number, order: object, windowBytes = 65_536): Buffer {
  const window = Buffer.alloc(4);
  window.writeUInt32LE(windowBytes);
  const body = Buffer.from(JSON.stringify({ do: "subscribe", ...order }));
  return frame(TYPE.OPEN, END | SYSTEM | WINDOW, exchange, Buffer.concat([window, body]));
}

test("an order that is not understood is refused, and the connection goes on", async (t) => {
  const server = await serve(t, (message) => message.text());
  const raw = await Raw.greeted(t, server.address);
  const orders = [
    {},
    { pattern: 7 },
    { pattern: null },
    { pattern: "a..b" },
    { pattern: "x".repeat(256) },
    { pattern: "a", slow: "never" },
    { pattern: "a", slow: null },
    { pattern: "a", maxMessages: -1 },
    { pattern: "a", maxBytes: "many" },
    { pattern: "a", replay: 1.5 },
    { pattern: "a", replay: {} },
  ];
  for (const [index, order] of orders.entries()) raw.write(subscribe(2 * index + 1, order));
  raw.write(open(99, "still here"));
  await raw.hears((lines) => lines.some((line) => line.startsWith("DATA")));
  const refused = raw.frames.filter((line) => line.startsWith("RESET"));
  assert.deepEqual(
    refused,
    orders.map((_, index) => `RESET ${2 * index + 1} UNSUPPORTED`),
  );
  assert.equal(server.subscriptionCount(), 0);
});

test("no more is sent than there is credit for, and STOP or RESET ends it", async (t) => {
  const server = await serve(t, () => undefined);
  const raw = await Raw.greeted(t, server.address);
  raw.write(subscribe(1, { pattern: "a" }), subscribe(3, { pattern: "a" }));
  await raw.hears((lines) => lines.filter((line) => line.startsWith("DATA")).length === 2);
  for (let index = 0; index < 20; index++) await server.publish("a", "x".repeat(10_000));
  const bytesOf = (exchange: number) =>
    raw.frames
      .filter((line) => line.startsWith(`DATA ${exchange} of`))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 9);
  await raw.hears(() => bytesOf(1) >= 65_536 && bytesOf(3) >= 65_536);
  // A ping is answered behind all that there was to send.
  const ping = frame(TYPE.PING, 0, 0, "12345678");
  await raw.write(ping).hears((lines) => lines.some((line) => line.startsWith("PONG")));
  assert.deepEqual([bytesOf(1), bytesOf(3)], [65_536, 65_536]);
  raw.write(credit(1, 1_000));
  await raw.hears(() => bytesOf(1) === 66_536);
  raw.write(stop(1));
  await raw.hears((lines) => lines.includes('DATA+END 1 ""'));
  raw.write(reset(3, 1));
  await raw.write(open(5)).hears((lines) => lines.some((line) => line.startsWith("DATA+END 5")));
  assert.equal(server.subscriptionCount(), 0);
  assert.ok(!raw.frames.some((line) => line.startsWith("GOAWAY")));
});

test("a subscriber without a window gets its records all the same", async (t) => {
  const server = await serve(t, () => undefined);
  const raw = await Raw.greeted(t, server.address);
  raw.write(frame(TYPE.OPEN, END | SYSTEM, 1, JSON.stringify({ do: "subscribe", pattern: "a" })));
  await raw.hears((lines) => lines.some((line) => line.startsWith("DATA")));
  await server.publish("a", "hello");
  await raw.receives((received) => received.includes("ahello"));
  assert.equal(server.subscriptionCount(), 1);
  raw.socket.destroy();
  const other = await connect(t, server);
  while (server.subscriptionCount() > 0) await other.ping();
});

test("thousands of subscriptions that come at once are as many as a connection may have", async (t) => {
  const server = await serve(t, (message) => message.text());
  const raw = await Raw.greeted(t, server.address);
  const all = Array.from({ length: 3_000 }, (_, index) => subscribe(2 * index + 1, { pattern: `t.${index}` }));
  raw.write(...all, open(9_001, "still here"));
  await raw.hears((lines) => lines.some((line) => line.startsWith("DATA+END 9001")));
  assert.equal(server.subscriptionCount(), 1_024);
  assert.equal(raw.frames.filter((line) => line.endsWith("OVERLOADED")).length, 3_000 - 1_024);
});
