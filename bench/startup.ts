import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listen } from "earshot";
import { start, stop } from "./children.js";
import { CONTENDERS } from "./contenders.js";
import type { Row } from "./results.js";
import type { Plan } from "./run-workload.js";

/** From the start of the process to its end, with one acknowledged message, against a process that does nothing. */
export async function measureStartup({ directory, rounds, contenders }: Plan): Promise<Row> {
  const address = join(directory, "startup.sock");
  const bin = fileURLToPath(new URL("../../bin/earshot.js", import.meta.url));
  const program = fileURLToPath(new URL("some-messages.js", import.meta.url));
  const server = await listen(address, () => "ok");
  const servers = [];
  const runs: Record<string, readonly string[]> = {
    "node -e 0": ["-e", "0"],
    "earshot send": [bin, "send", address, "hello"],
  };
  for (const [index, kind] of contenders.entries()) {
    const contender = CONTENDERS[kind];
    if (contender === undefined || contender.isForLarge || (await contender.load()).isOwnServer) continue;
    const path = join(directory, `startup-${index}`);
    servers.push(await start("server.js", kind, path));
    runs[`a program with ${kind}`] = [program, kind, path];
  }
  const results: Record<string, number[]> = {};
  for (let round = 0; round < rounds * 3; round++) {
    for (const [name, args] of Object.entries(runs)) {
      results[name] ??= [];
      results[name].push(await timeProcess(args));
    }
  }
  await Promise.all(servers.map(stop));
  await server.close();
  return { name: "start to acknowledged message", unit: "ms", isLowerBetter: true, results };
}

function timeProcess(args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: "ignore" });
    child.on("exit", (code) => {
      if (code === 0) resolve(performance.now() - startedAt);
      else reject(new Error(`${args.join(" ")} ended with ${code}`));
    });
  });
}
