// Takes messages as they come; those of a few bytes go back.
import { listen } from "earshot";

const [path = ""] = process.argv.slice(2);
await listen(
  path,
  async (message) => {
    let bytes = 0;
    for await (const chunk of message.body) {
      if (message.sizeBytes !== undefined && message.sizeBytes <= 1_024) return chunk;
      bytes += chunk.length;
    }
    return String(bytes);
  },
  { body: "stream" },
);
process.send?.("ready");
