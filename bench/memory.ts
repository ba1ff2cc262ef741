import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { next } from "./children.js";
import type { Row } from "./results.js";

/** Each of which is one measurement of bytes for each of so many connections. */
const ROUNDS = 3;

/**
 * What a server's process grows by for each connection that has sent one message and waits, in bytes, against a bare socket
 * that does nothing.
 */
export async function measureIdleMemory(directory: string, connections: number): Promise<Row> {
  const results: Record<string, number[]> = { "net.Socket": [], earshot: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of Object.keys(results)) {
      const path = join(directory, `idle-${kind}-${round}.sock`);
      results[kind]?.push(await measureOne(kind, path, connections));
    }
  }
  return {
    name: `memory of an idle connection (${connections.toLocaleString("en-US")})`,
    unit: "bytes",
    isLowerBetter: true,
    results,
  };
}

async function measureOne(kind: string, path: string, connections: number): Promise<number> {
  const server = start("serve", kind, path);
  await next(server);
  // Once before, so that what the server's code costs is not counted as what its connections do.
  const first = start("dial", kind, path, String(connections));
  await next(first);
  first.kill();
  await new Promise((resolve) => first.once("exit", resolve));
  const before = await ask(server);
  const clients = start("dial", kind, path, String(connections));
  await next(clients);
  const after = await ask(server);
  clients.kill();
  server.kill();
  return (after - before) / connections;
}

function start(...args: string[]): ChildProcess {
  return fork(fileURLToPath(new URL("idle.js", import.meta.url)), args, {
    execArgv: ["--expose-gc"],
  });
}

async function ask(child: ChildProcess): Promise<number> {
  child.send("measure");
  return Number(await next(child));
}
