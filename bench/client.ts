// The client's side of a workload, in a process of its own, so that no contender runs code that another has shaped.
import { CONTENDERS } from "./contenders.js";
import { Running, type Task } from "./tasks.js";

type Order = { readonly do: "prepare"; readonly task: Task } | { readonly do: "measure" } | { readonly do: "finish" };

const [kind = "", path = ""] = process.argv.slice(2);
const sides = await CONTENDERS[kind]?.load();
let running: Running | undefined;

async function follow(order: Order): Promise<unknown> {
  switch (order.do) {
    case "prepare":
      if (sides === undefined) throw new Error(`no ${kind}`);
      running = new Running(sides, path, order.task);
      return await running.prepare();
    case "measure":
      return await running?.measure();
    case "finish":
      return await running?.finish();
  }
}

process.on("message", async (order: Order) => {
  try {
    process.send?.({ result: await follow(order) });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
// Whoever has started it may have been killed.
process.on("disconnect", () => process.exit());
process.send?.("ready");
