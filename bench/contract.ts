import type { ChildProcess } from "node:child_process";
import { next, start } from "./children.js";

/** What is measured: who runs it, and what it is called there. */
const GROUPS = {
  "calls, 64 B, 256 in flight": {
    "grpc-js": ["grpc-js", "calls"],
    "raw send, bytes": ["raw", "bytes"],
    "typed, bytes": ["typed", "bytes"],
    "raw send, text": ["raw text", "text"],
    "typed, text": ["typed", "text"],
    "typed, async handler": ["typed", "async handler"],
    "typed, zod on both sides": ["typed", "zod on both sides"],
  },
  "items of 64 B in a stream": {
    "grpc-js": ["grpc-js", "items"],
    "from an iterable": ["typed", "from an iterable"],
    "from an async generator": ["typed", "from an async generator"],
    "to the server": ["typed", "to the server"],
  },
} as const;

/** Typed calls and streams, against raw messages and @grpc/grpc-js: rows as `main.ts` prints them. */
export async function measureContracts(directory: string, rounds: number) {
  const servers: ChildProcess[] = [];
  const clients = new Map<string, ChildProcess>();
  for (const kind of ["grpc-js", "raw", "raw text", "typed"]) {
    servers.push(await start("contract-server.js", kind, `${directory}/${kind}`));
    clients.set(kind, await start("contract-client.js", kind, `${directory}/${kind}`));
  }
  const rows = [];
  for (const [name, runs] of Object.entries(GROUPS)) {
    const results: Record<string, number[]> = {};
    // Alternating; the first round is to get warm.
    for (let round = 0; round <= rounds; round++) {
      for (const [label, [kind, run]] of Object.entries(runs)) {
        const client = clients.get(kind);
        client?.send(run);
        const result = Number(client && (await next(client)));
        results[label] ??= [];
        if (round > 0) results[label].push(result);
      }
    }
    rows.push({ name, unit: "thousand/s", isLowerBetter: false, results });
  }
  for (const child of [...clients.values(), ...servers]) child.kill();
  return rows;
}
