import { join } from "node:path";
import { next, start } from "./children.js";
import type { Row } from "./results.js";

const KINDS = { idle: "idle", "1 GiB in pieces": "pieces", "1 GiB in one": "one" };

/** The worst of small calls on an idle connection, and while a gibibyte passes on the same. */
export async function measureInterleaving(directory: string, rounds: number): Promise<Row> {
  const path = join(directory, "interleave.sock");
  const server = await start("interleave-peer.js", "serve", path);
  const client = await start("interleave-peer.js", "dial", path);
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
