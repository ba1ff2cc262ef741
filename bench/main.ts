import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CONTENDERS } from "./contenders.js";
import { measureContracts } from "./contract.js";
import { measureInterleaving } from "./interleave.js";
import { measureIdleMemory } from "./memory.js";
import { measureOutbox } from "./outbox.js";
import { measureStartup } from "./startup.js";
import { countSyscalls } from "./syscalls.js";
import { WORKLOADS } from "./workloads.js";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" }, only: { type: "string" } } });
const rounds = Number(values.rounds);
const directory = mkdtempSync(join(tmpdir(), "earshot-bench-"));

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly isLowerBetter: boolean;
  readonly results: Readonly<Record<string, number[]>>;
}

/** @param side `server.js` or `client.js` */
async function start(side: string, kind: string, path: string): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(side, import.meta.url)), [kind, path], {
    execArgv: ["--expose-gc"],
  });
  await answer(child);
  return child;
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => child.once("message", resolve).once("exit", reject));
}

async function measureWorkloads(): Promise<void> {
  const servers = new Map<string, { child: ChildProcess; path: string }>();
  for (const kind of Object.keys(CONTENDERS)) {
    const path = join(directory, `${kind}.sock`);
    servers.set(kind, { child: await start("server.js", kind, path), path });
  }
  for (const { name, unit, isLowerBetter = false, isOnOneCore = false, isLarge = false } of WORKLOADS) {
    if (values.only !== undefined && !name.includes(values.only)) continue;
    const clients = new Map<string, ChildProcess>();
    for (const [kind, { path }] of servers) {
      if (isLarge || CONTENDERS[kind]?.isForLarge !== true) clients.set(kind, await start("client.js", kind, path));
    }
    const all = [...clients.values(), ...Array.from(servers.values(), ({ child }) => child)];
    if (isOnOneCore) pin(all, "0");
    const results: Record<string, number[]> = {};
    // Alternating, so that what else the machine does falls on all alike; the first round only warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const [kind, client] of clients) {
        client.send(name);
        const result = Number(await answer(client));
        results[kind] ??= [];
        if (round > 0) results[kind].push(result);
      }
    }
    if (isOnOneCore) pin(all, `0-${cpus().length - 1}`);
    for (const client of clients.values()) client.kill();
    printRow({ name, unit, isLowerBetter, results });
  }
  if (values.only === undefined) {
    for (const [kind, { path }] of servers) {
      if (CONTENDERS[kind]?.isForLarge !== true) printSyscalls(kind, path);
    }
  }
  for (const { child } of servers.values()) child.kill();
}

/** taskset(1), for all threads. Without it the row is like the one before. */
function pin(children: readonly ChildProcess[], cores: string): void {
  for (const { pid } of children) spawnSync("taskset", ["-a", "-c", "-p", cores, String(pid)], { stdio: "ignore" });
}

function printSyscalls(kind: string, path: string): void {
  for (const inFlight of [1, 256]) {
    const counts = countSyscalls(directory, kind, path, inFlight) ?? "strace is not installed";
    console.log(`system calls of a client for each message, ${inFlight} in flight: ${kind}: ${counts}`);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Ratios are of earshot's speed to the other's: above 1 earshot is better, also where a lower number is. */
function printRow({ name, unit, isLowerBetter, results }: Row): void {
  const [[, reference = []] = ["", []]] = Object.entries(results);
  const cells = Object.entries(results).map(([kind, numbers]) => {
    const ratio = median(numbers) / median(reference);
    const better = isLowerBetter ? 1 / ratio : ratio;
    return `${kind} ${median(numbers).toPrecision(4)} (${better.toFixed(2)})`;
  });
  console.log(`${name.padEnd(44)} ${unit.padEnd(12)} ${cells.join("   ")}`);
}

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
);
console.log(`Linux ${release()}; medians of ${rounds} alternating rounds; in brackets the ratio to the first column,`);
console.log("above 1 is better\n");
try {
  await measureWorkloads();
  if (values.only === undefined) {
    printRow(await measureIdleMemory(directory));
    printRow(await measureStartup(directory, rounds));
  }
  if (values.only === undefined || "interleaving".includes(values.only)) {
    printRow(await measureInterleaving(directory, rounds));
  }
  if (values.only === undefined || "contracts".includes(values.only)) {
    for (const row of await measureContracts(directory, rounds)) printRow(row);
  }
  if (values.only === undefined || "outbox".includes(values.only)) {
    for (const row of await measureOutbox(directory, rounds)) printRow(row);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
