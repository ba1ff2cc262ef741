import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { next } from "./children.js";
import {
  type Broker,
  type Durability,
  type Kind,
  kindsFor,
  type Measured,
  type Place,
  type Side,
} from "./outbox-kinds.js";

const MESSAGES = { process: 20_000, power: 10_000 } as const;
/** Of times in /proc. */
const TICK_US = 10_000;

interface Running {
  readonly kind: Kind;
  readonly broker: ChildProcess | undefined;
  readonly receiver: ChildProcess | undefined;
  readonly sender: ChildProcess;
}

interface Result {
  readonly posted: number;
  readonly delivered: number;
  readonly cpuUs: number;
}

/** Messages kept on disk and delivered, against programs that others run for that: rows as `main.ts` prints them. */
export async function measureOutbox(directory: string, rounds: number) {
  const rows = [];
  for (const durability of ["process", "power"] as const) {
    for (const isAlone of [true, false]) {
      const place = join(directory, `outbox-${durability}-${isAlone}`);
      mkdirSync(place);
      const results = await measureGroup(place, kindsFor(durability, isAlone).filter(isInstalled), rounds);
      rows.push(...rowsOf(durability, isAlone, results));
    }
  }
  return rows;
}

function rowsOf(durability: Durability, isAlone: boolean, results: ReadonlyMap<string, readonly Result[]>) {
  const row = (what: string, unit: string, isLowerBetter: boolean, of: (result: Result) => number) => {
    const entries = Array.from(results, ([name, all]) => [name, all.map(of)] as const);
    const name = `outbox, ${durability}: ${what}`;
    return { name, unit, isLowerBetter, results: Object.fromEntries(entries) };
  };
  if (isAlone) return [row("posts, 1,000 at a time", "thousand/s", false, ({ posted }) => posted)];
  return [
    row("posts while delivering", "thousand/s", false, ({ posted }) => posted),
    row("posted and delivered", "thousand/s", false, ({ delivered }) => delivered),
    row("time of all processors", "µs/message", true, ({ cpuUs }) => cpuUs),
  ];
}

async function measureGroup(directory: string, kinds: readonly Kind[], rounds: number) {
  const running: Running[] = [];
  const results = new Map<string, Result[]>();
  try {
    for (const kind of kinds) running.push(await start(join(directory, String(running.length)), kind));
    // Alternating; the first round is to get warm.
    for (let round = 0; round <= rounds; round++) {
      for (const one of running) {
        const result = await measure(one);
        if (round > 0) results.set(one.kind.name, [...(results.get(one.kind.name) ?? []), result]);
      }
    }
  } finally {
    for (const { sender, receiver, broker } of running)
      for (const child of [sender, receiver, broker]) await end(child);
  }
  return results;
}

function isInstalled({ broker, name, durability, isAlone }: Kind): boolean {
  if (broker === undefined) return true;
  const isThere = spawnSync(broker.command, ["--version"], { stdio: "ignore" }).error === undefined;
  if (!isThere && durability === "process" && isAlone)
    console.log(`${name}: not measured, for ${broker.command} is not installed`);
  return isThere;
}

async function start(directory: string, kind: Kind): Promise<Running> {
  mkdirSync(directory);
  const place = { directory, port: await freePort() };
  const broker = kind.broker && (await startBroker(kind.broker, place, kind.durability));
  const peer = kind.broker && { module: kind.broker.module, address: kind.broker.address(place) };
  const { durability, isAlone, hasInbox } = kind;
  const side = (is: Side["is"]) => startSide({ is, kind: { durability, isAlone, hasInbox }, directory, peer });
  return { kind, broker, receiver: isAlone ? undefined : await side("receiver"), sender: await side("sender") };
}

async function startSide(side: Side): Promise<ChildProcess> {
  const child = fork(new URL("outbox-sides.js", import.meta.url), [JSON.stringify(side)]);
  await next(child);
  return child;
}

async function startBroker(broker: Broker, place: Place, durability: Durability): Promise<ChildProcess> {
  const child = spawn(broker.command, broker.args(place, durability), { stdio: "ignore" });
  const address = broker.address(place);
  while (child.exitCode === null && !(await answers(address))) await after(20);
  if (child.exitCode !== null) throw new Error(`${broker.command} ended with ${child.exitCode}`);
  return child;
}

/** @param address a path, or `host:port` */
async function answers(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  const socket = port === undefined ? connect(address) : connect(Number(port), host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

async function measure({ kind, broker, receiver, sender }: Running): Promise<Result> {
  const count = MESSAGES[kind.durability];
  const before = cpuUsOf(broker);
  const sides = receiver === undefined ? [sender] : [receiver, sender];
  const answers = sides.map((child) => next(child));
  for (const child of sides) child.send(count);
  const all = (await Promise.all(answers)) as Measured[];
  const own = all[all.length - 1] as Measured;
  const endedAt = Math.max(...all.map((one) => one.endedAt));
  const cpuUs = all.reduce((sum, one) => sum + one.cpuUs, cpuUsOf(broker) - before);
  return {
    posted: count / (own.postedAt - own.startedAt),
    delivered: count / (endedAt - own.startedAt),
    cpuUs: cpuUs / count,
  };
}

/** What a process has used so far, in microseconds; not a number where there is no /proc. */
function cpuUsOf(child: ChildProcess | undefined): number {
  if (child === undefined) return 0;
  const path = `/proc/${child.pid}/stat`;
  if (!existsSync(path)) return Number.NaN;
  const fields = readFileSync(path, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}
