// The server's side of bench/contract.ts, one of `grpc-js`, `raw`, `raw text` and `typed`.
import { listen } from "earshot";
import { serve } from "earshot/contract";
import { measured } from "./measured-contract.js";

const [kind, path = ""] = process.argv.slice(2);
const ITEM = Buffer.alloc(60, "x").toString();

if (kind === "raw") await listen(path, (message) => message.bytes);
else if (kind === "raw text") await listen(path, (message) => message.text());
else if (kind === "grpc-js")
  await (await import(new URL("../../bench/peers/grpc.js", import.meta.url).href)).serve(path);
else {
  await serve(
    path,
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
}
// Whoever has started it may have been killed.
process.on("disconnect", () => process.exit());
process.send?.("ready");
