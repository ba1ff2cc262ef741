import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listen } from "earshot";

/** From the start of the process to its end, with one acknowledged message, against a process that does nothing. */
export async function measureStartup(directory: string, rounds: number) {
  const address = join(directory, "startup.sock");
  const bin = fileURLToPath(new URL("../../bin/earshot.js", import.meta.url));
  const server = await listen(address, () => "ok");
  const results: Record<string, number[]> = { "node -e 0": [], "earshot send": [] };
  for (let round = 0; round < rounds * 3; round++) {
    results["node -e 0"]?.push(await timeProcess(["-e", "0"]));
    results["earshot send"]?.push(await timeProcess([bin, "send", address, "hello"]));
  }
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
