// The senders of the soak, each at its own pace, and subscribers, one of which reads slowly.
import { setTimeout as pause } from "node:timers/promises";
import { type Client, dial, EarshotError, type SendOptions } from "earshot";
import { connect } from "earshot/contract";
import { openOutbox } from "earshot/outbox";
import { type Counts, type SenderOrder, type ServerOrder, soaked } from "./soaked-contract.js";

const order = JSON.parse(process.argv[2] ?? "{}") as SenderOrder;
const counts: Counts = {};
let isOver = false;

function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

/** Again and again, and whatever it comes to is counted; anything but an error of earshot's ends the process. */
async function repeat(name: string, everyMs: number, action: () => Promise<unknown>): Promise<void> {
  while (!isOver) {
    try {
      await action();
      count(`${name} ok`);
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error;
      count(`${name} ${error.code} ${error.delivery ?? ""}`);
    }
    await pause(everyMs);
  }
}

async function* chunks(): AsyncGenerator<string> {
  for (let index = 0; index < 4; index++) yield "y".repeat(5_000);
}

const LIMIT: SendOptions = { timeoutMs: 10_000 };

async function drain(client: Client): Promise<void> {
  const reply = await client.send(chunks(), { body: "stream", timeoutMs: 10_000 });
  for await (const _ of reply.body);
}

async function subscribe(client: Client, everyMs: number): Promise<void> {
  const subscription = client.subscribe("news.>", { replay: 1 });
  for await (const message of subscription) {
    count(message.dropped > 0 ? "news after some were dropped" : "news");
    if (everyMs > 0) await pause(everyMs);
    if (isOver) break;
  }
}

async function useServer({ address, contractAddress }: ServerOrder): Promise<Promise<void>[]> {
  const lazy = { connect: "lazy", reconnect: { maxDelayMs: 200 } } as const;
  const framed = await dial(address, lazy);
  const plain = await dial(address, { ...lazy, wire: "plain" });
  const shared = await dial(address, { ...lazy, lane: "shared" });
  const api = await connect(contractAddress, soaked, lazy);
  const listeners = [await dial(address, lazy), await dial(address, lazy)];
  let id = 0;
  return [
    repeat("plain", 20, () => plain.send("a plain message", LIMIT)),
    repeat("retry false", 10, () => framed.send("x".repeat(64), LIMIT)),
    repeat("retry unsent", 20, () => framed.send("x".repeat(70_000), { ...LIMIT, retry: "unsent" })),
    repeat("retry idempotent", 10, () =>
      framed.send("once", { ...LIMIT, retry: "idempotent", id: `${process.pid} ${++id}` }),
    ),
    repeat("shared memory", 10, () => shared.send("x".repeat(64), LIMIT)),
    repeat("stream", 50, () => drain(framed)),
    repeat("connection of its own", 50, async () => {
      const client = await dial(address);
      await client.send("hello", LIMIT);
      await client.close();
    }),
    repeat("call", 20, () => api.upper("text", { timeoutMs: 10_000 })),
    repeat("call that streams", 50, async () => {
      for await (const _ of api.count(20, { timeoutMs: 10_000 }));
    }),
    repeat("subscription", 100, () => subscribe(listeners[0] ?? framed, 0)),
    repeat("slow subscription", 100, () => subscribe(listeners[1] ?? framed, 50)),
  ];
}

const retry = { minDelayMs: 10, maxDelayMs: 200 };
const outbox = await openOutbox(order.outbox, { address: order.outboxAddress, retry, maxAttempts: 1_000_000 });
outbox.on("delivered", () => count("outbox delivered"));
outbox.on("dead", () => count("outbox dead"));
let key = 0;
const loops = [repeat("post", 10, () => outbox.post("z".repeat(500), { key: `key ${++key % 8}` }))];
for (const server of order.servers) loops.push(...(await useServer(server)));

process.on("disconnect", () => process.exit());
process.on("message", async (what) => {
  if (what === "finish") {
    isOver = true;
    // Subscriptions end with the process; what was posted is delivered first.
    await outbox.flush({ timeoutMs: 60_000 });
    process.send?.({ counts, pending: outbox.pending, dead: outbox.stats().dead });
  }
});
process.send?.("ready");
await Promise.all(loops);
