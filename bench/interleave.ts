import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { next } from "./contract.js";

const KINDS = { idle: "idle", "1 GiB in pieces": "pieces", "1 GiB in one": "one" };

/** The worst of small calls on an idle connection, and while a gibibyte passes on the same. */
export async function measureInterleaving(directory: string, rounds: number) {
  const path = join(directory, "interleave.sock");
  const server = await start("serve", path);
  const client = await start("dial", path);
  const results: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, kind] of Object.entries(KINDS)) {
      client.send(kind);
      const result = Number(await next(client));
      results[name] ??= [];
      if (round > 0) results[name].push(result);
    }
  }
  client.kill();
  server.kill();
  return { name: "p99 of small calls, same connection", unit: "µs", isLowerBetter: true, results };
}

async function start(role: string, path: string): Promise<ChildProcess> {
  const child = fork(new URL("interleave-peer.js", import.meta.url), [role, path]);
  await next(child);
  return child;
}
