import { CONTENDERS } from "./contenders.js";

const [kind = "", path = ""] = process.argv.slice(2);
await CONTENDERS[kind]?.serve(path);
process.send?.("ready");
process.on("message", () => {
  globalThis.gc?.();
  process.send?.(process.memoryUsage().rss);
});
