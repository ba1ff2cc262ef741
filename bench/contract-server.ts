// The server's side of bench/contract.ts: raw messages and a contract, each at an address of its own.
import { listen } from "earshot";
import { serve } from "earshot/contract";
import { measured } from "./measured-contract.js";

const [directory = ""] = process.argv.slice(2);
const ITEM = Buffer.alloc(60, "x").toString();

const { serve: serveGrpc } = await import(new URL("../../bench/peers/grpc.js", import.meta.url).href);
await serveGrpc(`${directory}/grpc`);
await listen(`${directory}/raw`, (message) => message.bytes);
await serve(
  `${directory}/typed`,
  measured,
  {
    bytes: (bytes) => bytes,
    text: (text) => text,
    later: async (text) => text,
    checked: async ({ city }) => ({ city, celsius: 21.5 }),
    *items(count) {
      for (let index = 0; index < count; index++) yield ITEM;
    },
    async *asyncItems(count) {
      for (let index = 0; index < count; index++) yield ITEM;
    },
    async upload(items) {
      let count = 0;
      for await (const _ of items) count++;
      return count;
    },
  },
  { validate: false },
);
process.on("SIGINT", () => process.exit());
process.send?.("ready");
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
