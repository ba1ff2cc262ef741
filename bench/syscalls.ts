import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { start, stop } from "./children.js";
import { CONTENDERS } from "./contenders.js";
import type { Table } from "./results.js";
import type { Plan } from "./run-workload.js";

const IN_FLIGHT = [1, 256];
/** strace gives up its own patience later than the benchmark does. */
const LIMIT_MS = 120_000;

type Calls = ReadonlyMap<string, number>;

/**
 * How many system calls a client makes for each message, by strace: those of many messages less those of few, so that
 * starting does not count.
 *
 * @param many how many messages, a tenth of them in the other run
 */
export async function countSyscalls({ directory, contenders }: Plan, many: number): Promise<Table> {
  const table: Table = {
    id: "system-calls",
    title: "System calls of a client",
    unit: "/message",
    isLowerBetter: true,
    axis: "in flight",
    columns: IN_FLIGHT.map(String),
    rows: {},
    notes: [],
  };
  if (spawnSync("strace", ["-V"]).error !== undefined) {
    table.notes.push("strace is not installed");
    return table;
  }
  for (const [index, kind] of contenders.entries()) {
    const contender = CONTENDERS[kind];
    // What the client starts itself would be counted with it.
    if (contender === undefined || contender.isForLarge || (await contender.load()).isOwnServer) continue;
    const path = join(directory, `calls-${index}`);
    const server = await start("server.js", kind, path);
    table.rows[kind] = [];
    for (const inFlight of IN_FLIGHT) {
      const few = trace(directory, kind, path, inFlight, many / 10);
      const all = trace(directory, kind, path, inFlight, many);
      const counts = few && all && difference(few, all, many - many / 10);
      table.rows[kind].push(counts === undefined ? [] : [sum(counts)]);
      if (counts !== undefined) table.notes.push(`${kind}, ${inFlight} in flight: ${describe(counts)}`);
    }
    await stop(server);
  }
  return table;
}

function difference(few: Calls, all: Calls, messages: number): Calls {
  return new Map(Array.from(all, ([name, count]) => [name, (count - (few.get(name) ?? 0)) / messages]));
}

function sum(counts: Calls): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return Math.max(0, total);
}

/** Those that count. */
function describe(counts: Calls): string {
  const most = Array.from(counts).sort(([, a], [, b]) => b - a);
  const told = most.filter(([, count]) => count >= 0.005).slice(0, 6);
  return told.map(([name, count]) => `${name} ${count.toFixed(2)}`).join(", ");
}

function trace(directory: string, kind: string, path: string, inFlight: number, count: number): Calls | undefined {
  const out = join(directory, "strace.txt");
  rmSync(out, { force: true });
  const program = fileURLToPath(new URL("some-messages.js", import.meta.url));
  const node = [process.execPath, program, kind, path, String(inFlight), String(count)];
  const strace = ["-f", "-c", "-o", out, ...node];
  const { status } = spawnSync("strace", strace, { stdio: "ignore", timeout: LIMIT_MS, killSignal: "SIGKILL" });
  if (status !== 0) return undefined;
  const calls = new Map<string, number>();
  // % time, seconds, usecs/call, calls, errors (or nothing), syscall
  for (const line of readFileSync(out, "utf8").split("\n")) {
    const [, calls_, name] = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line) ?? [];
    if (name !== undefined && name !== "total") calls.set(name, Number(calls_));
  }
  return calls;
}
