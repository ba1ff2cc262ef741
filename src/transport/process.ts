import { readFileSync } from "node:fs";

/** USER_HZ: in this unit /proc counts time, on every machine that Node runs on; time(7). */
const TICKS_PER_SECOND = 100;

/** What Linux tells of a process, proc(5); nothing that it keeps from this user. */
export interface ProcessFacts {
  /** With its arguments. */
  readonly command: string | undefined;
  /** In ISO 8601, exact to a second. */
  readonly startedAt: string | undefined;
  /** By a signal or a debugger: it does nothing until it is told to go on. */
  readonly isStopped: boolean;
  /** The user that it runs as. */
  readonly uid: number | undefined;
}

/** `undefined` if there is no such process, or no /proc. */
export function describeProcess(pid: number): ProcessFacts | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name, in parentheses, may have anything in it.
  const [state = "", ...numbers] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const command = read(`/proc/${pid}/cmdline`)?.replace(/\0+$/, "").replaceAll("\0", " ");
  const [, uid] = /^Uid:\t\d+\t(\d+)/m.exec(read(`/proc/${pid}/status`) ?? "") ?? [];
  return {
    command: command || /\((.*)\)/s.exec(stat)?.[1],
    startedAt: startOf(Number(numbers[18])),
    isStopped: state === "T" || state === "t",
    uid: uid === undefined ? undefined : Number(uid),
  };
}

function startOf(ticks: number): string | undefined {
  const [, bootedAt] = /^btime (\d+)$/m.exec(read("/proc/stat") ?? "") ?? [];
  if (bootedAt === undefined || !Number.isFinite(ticks)) return undefined;
  const seconds = Number(bootedAt) + Math.floor(ticks / TICKS_PER_SECOND);
  return new Date(seconds * 1_000).toISOString().replace(".000Z", "Z");
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
