import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FEW = 1_000;
const MANY = 11_000;

/**
 * How many system calls a client makes for each message, by strace: those of many messages less those of few, so that
 * starting does not count. `undefined` without strace.
 */
export function countSyscalls(directory: string, kind: string, path: string, inFlight: number): string | undefined {
  const few = trace(directory, kind, path, inFlight, FEW);
  const many = trace(directory, kind, path, inFlight, MANY);
  if (few === undefined || many === undefined) return undefined;
  const names = ["epoll_pwait", "epoll_ctl", "recvmsg", "sendmsg", "read", "write", "writev"];
  const counts = names.map((name) => [name, ((many.get(name) ?? 0) - (few.get(name) ?? 0)) / (MANY - FEW)] as const);
  return counts
    .filter(([, count]) => count >= 0.005)
    .map(([name, count]) => `${name} ${count.toFixed(2)}`)
    .join(", ");
}

function trace(directory: string, kind: string, path: string, inFlight: number, count: number) {
  const out = join(directory, "strace.txt");
  const program = fileURLToPath(new URL("syscalls-client.js", import.meta.url));
  const node = [process.execPath, program, kind, path, String(inFlight), String(count)];
  const { error } = spawnSync("strace", ["-f", "-c", "-o", out, ...node], { stdio: "ignore" });
  if (error !== undefined) return undefined;
  const calls = new Map<string, number>();
  // % time, seconds, usecs/call, calls, errors (or nothing), syscall
  for (const line of readFileSync(out, "utf8").split("\n")) {
    const [, calls_, name] = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line) ?? [];
    if (name !== undefined) calls.set(name, Number(calls_));
  }
  return calls;
}
