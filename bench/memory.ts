import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CONNECTIONS = 5_000;

/** What a server's process grows by for each connection that has sent one message and waits, in bytes. */
export async function measureIdleMemory(directory: string) {
  const results: Record<string, number[]> = { "net.Socket": [], earshot: [] };
  for (let round = 0; round < 3; round++) {
    for (const kind of Object.keys(results)) {
      const path = join(directory, `idle-${kind}-${round}.sock`);
      results[kind]?.push(await measureOne(kind, path));
    }
  }
  return { name: `memory of an idle connection (${CONNECTIONS})`, unit: "bytes", isLowerBetter: true, results };
}

async function measureOne(kind: string, path: string): Promise<number> {
  const server = start("serve", kind, path);
  await next(server);
  // Once before, so that what the server's code costs is not counted as what its connections do.
  const first = start("dial", kind, path, String(CONNECTIONS));
  await next(first);
  first.kill();
  await new Promise((resolve) => first.once("exit", resolve));
  const before = await ask(server);
  const clients = start("dial", kind, path, String(CONNECTIONS));
  await next(clients);
  const after = await ask(server);
  clients.kill();
  server.kill();
  return (after - before) / CONNECTIONS;
}

function start(...args: string[]): ChildProcess {
  return fork(fileURLToPath(new URL("idle.js", import.meta.url)), args, {
    execArgv: ["--expose-gc"],
  });
}

function next(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => child.once("message", resolve).once("exit", reject));
}

async function ask(child: ChildProcess): Promise<number> {
  child.send("measure");
  return Number(await next(child));
}
