// Everything at once, for as long as asked: two servers and two senders with all ways to send, of which one each is killed and
// started again all the time; strangers who send garbage or do not read. Who is never killed must be flat at the end: descriptors,
// memory and disk. `main.js [--minutes N | --hours N] [--report DIRECTORY]`
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Measure, Party } from "./party.js";
import { report } from "./report.js";
import type { Counts, SenderOrder, ServerOrder } from "./soaked-contract.js";
import { Strangers } from "./strangers.js";

const SAMPLE_MS = 1_000;
const MOST_SAMPLES = 1_200;
const KILL_EVERY_MS = 5_000;
const STRANGER_EVERY_MS = 50;

interface Finished {
  readonly counts: Counts;
  readonly pending: number;
  readonly dead: number;
}

function options(): { readonly durationMs: number; readonly directory: string } {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { minutes: text, hours: text, report: text } });
  const minutes = values.hours === undefined ? Number(values.minutes ?? 10) : Number(values.hours) * 60;
  if (!(minutes > 0)) throw new Error("--minutes and --hours take a number above 0");
  return { durationMs: minutes * 60_000, directory: values.report ?? "build/soak/report" };
}

function makeParties(root: string): Party[] {
  const file = (...names: readonly string[]) => join(root, ...names);
  const directory = (name: string) => {
    mkdirSync(file(name), { mode: 0o700 });
    return file(name);
  };
  const server = (name: string): ServerOrder => ({
    address: file(`${name}.s`),
    contractAddress: file(`${name}.c`),
    inbox: directory(`${name}-inbox`),
  });
  const steady = server("steady");
  const restless = server("restless");
  const sender = (name: string, outboxAddress: string): SenderOrder => ({
    servers: [steady, restless],
    outbox: directory(`${name}-outbox`),
    outboxAddress,
  });
  const [steadySender, restlessSender] = [sender("sender", restless.address), sender("gone", steady.address)];
  return [
    new Party("server", "server", steady, steady.inbox),
    new Party("killed server", "server", restless, restless.inbox),
    new Party("sender", "sender", steadySender, steadySender.outbox),
    new Party("killed sender", "sender", restlessSender, restlessSender.outbox),
  ];
}

/** Samples and kills until the time is over. */
async function soak(parties: readonly Party[], durationMs: number) {
  const measures = new Map<Party, Measure[]>(parties.map((party) => [party, []]));
  const killedAt: number[] = [];
  const victims = parties.filter(({ name }) => name.startsWith("killed"));
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const sampleMs = Math.max(SAMPLE_MS, durationMs / MOST_SAMPLES);
  let isOver = false;
  const killing = (async () => {
    while (!isOver) {
      await pause(KILL_EVERY_MS * (0.5 + Math.random()));
      const victim = victims[Math.floor(Math.random() * victims.length)];
      if (isOver || victim === undefined) return;
      killedAt.push(elapsed() / 1_000);
      await victim.kill();
      await victim.start();
    }
  })();
  while (elapsed() < durationMs) {
    await pause(sampleMs);
    for (const [party, list] of measures) {
      const measure = tryToMeasure(party);
      if (measure !== undefined) list.push(measure);
    }
  }
  isOver = true;
  await killing;
  return { measures, killedAt, seconds: elapsed() / 1_000 };
}

/** `undefined`: it has just been killed. */
function tryToMeasure(party: Party): Measure | undefined {
  try {
    return party.measure();
  } catch (error) {
    if (!party.name.startsWith("killed")) throw error;
    return undefined;
  }
}

async function finish(parties: readonly Party[]) {
  const counts = new Map<string, Counts>();
  const problems: string[] = [];
  for (const party of parties.filter(({ name }) => name.endsWith("sender"))) {
    const { counts: own, pending, dead } = await party.finish<Finished>();
    counts.set(party.name, own);
    if (pending > 0 || dead > 0)
      problems.push(`${party.name}: ${pending} messages are pending, ${dead} are dead letters`);
  }
  return { counts, problems };
}

const { durationMs, directory } = options();
const root = mkdtempSync(join(tmpdir(), "soak-"));
const parties = makeParties(root);
const paths = ["steady.s", "restless.s", "steady.c"].map((name) => join(root, name));
const strangers = new Strangers(paths);
let problems: readonly string[] = ["it has not come to its end"];
try {
  for (const party of parties) await party.start();
  strangers.start(STRANGER_EVERY_MS);
  const { measures, killedAt, seconds } = await soak(parties, durationMs);
  strangers.stop();
  const ended = await finish(parties);
  const findings = { seconds, parties: measures, killedAt, strangers: strangers.calls, ...ended };
  problems = report(directory, findings);
  console.log(
    `${Math.round(seconds)} s, ${killedAt.length} kills, ${strangers.calls} strangers: ${join(directory, "report.md")}`,
  );
  console.log(problems.length === 0 ? "everything is flat" : problems.join("\n"));
} finally {
  strangers.stop();
  for (const party of parties) await party.kill().catch(() => {});
  rmSync(root, { recursive: true, force: true });
}
process.exit(problems.length === 0 ? 0 : 1);
