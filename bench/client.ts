// The client's side of a workload, in a process of its own, so that no contender runs code that another has shaped.
import { CONTENDERS } from "./contenders.js";
import { WORKLOADS } from "./workloads.js";

const [kind = "", path = ""] = process.argv.slice(2);
const contender = CONTENDERS[kind];
process.on("message", async (name) => {
  const workload = WORKLOADS.find((one) => one.name === name);
  if (contender === undefined || workload === undefined) throw new Error(`no ${kind} or no ${name}`);
  process.send?.(await workload.run(contender, path));
});
process.send?.("ready");
