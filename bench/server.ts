// The server's side of a workload, in a process of its own; it tells what it has used.
import { CONTENDERS } from "./contenders.js";

const [kind = "", path = ""] = process.argv.slice(2);
await (await CONTENDERS[kind]?.load())?.serve(path);

async function rss(): Promise<number> {
  for (let index = 0; index < 5; index++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().rss;
}

process.on("message", async (what) => {
  const { user, system } = process.cpuUsage();
  process.send?.({ result: what === "cpu" ? user + system : await rss() });
});
// Whoever has started it may have been killed.
process.on("disconnect", () => process.exit());
process.send?.("ready");
