// A server of the soak: messages on both wires, streams, topics, an inbox, and a contract.
import { listen } from "earshot";
import { serve } from "earshot/contract";
import { inbox } from "earshot/outbox";
import { type ServerOrder, soaked } from "./soaked-contract.js";

const { address, contractAddress, inbox: directory } = JSON.parse(process.argv[2] ?? "{}") as ServerOrder;
process.on("disconnect", () => process.exit());

const LIMITS = { messageTimeoutMs: 2_000, handshakeTimeoutMs: 2_000, maxBufferedBytes: 33_554_432 } as const;
let published = 0;

async function* halves(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, bytes.length >> 1);
  yield bytes.subarray(bytes.length >> 1);
}

// So that it is full before the soak is over, and stays as it is.
const seen = await inbox(directory, { maxIds: 2_000, keepMs: 60_000, maxBytes: 4_194_304 });
const server = await listen(
  address,
  async (message) => {
    void server.publish(`news.${++published % 10}`, message.bytes.subarray(0, 1_000));
    return message.byteLength > 10_000 ? halves(message.bytes) : message.bytes;
  },
  { ...LIMITS, deduplicate: seen, handOver: false, broadcast: { maxQueuedMessages: 1_000, replayMessages: 10 } },
);
await serve(contractAddress, soaked, {
  upper: (text) => text.toUpperCase(),
  async *count(to) {
    for (let index = 0; index < to; index++) yield `item ${index}`;
  },
});
process.send?.("ready");
