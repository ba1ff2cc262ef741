import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CONTENDERS, contendersHere } from "./contenders.js";
import { measureContracts } from "./contract.js";
import { measureInterleaving } from "./interleave.js";
import { LIMITS_SETTINGS, Limits } from "./limits.js";
import { describeMachine } from "./machine.js";
import { measureIdleMemory } from "./memory.js";
import { measureOutbox } from "./outbox.js";
import { printMachine, printTable } from "./print.js";
import { report } from "./report.js";
import { type Results, type Row, type Table, tableOf } from "./results.js";
import { type Plan, WorkloadRun } from "./run-workload.js";
import { measureStartup } from "./startup.js";
import { countSyscalls } from "./syscalls.js";
import { WORKLOADS } from "./workloads.js";

const HELP = `Usage: npm run bench -- [options]

  --quick            all of it in a few minutes: one round, short measurements
  --only TEXT        only what has TEXT in its name
  --contenders LIST  only these, separated by semicolons; the first is what the others are compared with
  --rounds N         how often each is measured; default 7, with --quick 1
  --report           write docs/benchmarks.md and its charts, as a run does that leaves nothing out
  --from FILE        measure nothing: write the report of these results
`;
const OPTIONS = {
  quick: { type: "boolean", default: false },
  only: { type: "string" },
  contenders: { type: "string" },
  rounds: { type: "string" },
  report: { type: "boolean" },
  from: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({ options: OPTIONS });
const { only, quick: isQuick } = values;

/** @param names what it is known by; without `--only` everything is wanted */
function isWanted(...names: readonly string[]): boolean {
  return only === undefined || names.some((name) => name.includes(only));
}

/** @param onTable called after each one */
async function measure(results: Results, plan: Plan, onTable: () => void): Promise<void> {
  const { rounds, directory } = plan;
  const show = (table: Table) => {
    results.tables.push(table);
    console.log(printTable(table));
    onTable();
  };
  const printRow = (row: Row) => show(tableOf(row));
  for (const workload of WORKLOADS) {
    if (!isWanted(workload.id, workload.title)) continue;
    for (const table of await new WorkloadRun(plan, workload).run()) show(table);
  }
  if (isWanted("system calls")) show(await countSyscalls(plan, isQuick ? 1_000 : 10_000));
  if (isWanted("memory of an idle connection")) printRow(await measureIdleMemory(directory, isQuick ? 1_000 : 5_000));
  if (isWanted("start-up")) printRow(await measureStartup(plan));
  if (isWanted("interleaving")) printRow(await measureInterleaving(directory, rounds));
  if (isWanted("contracts")) {
    for (const row of await measureContracts(directory, rounds)) printRow(row);
  }
  if (isWanted("outbox")) {
    for (const row of await measureOutbox(directory, rounds)) printRow(row);
  }
}

async function planFor(directory: string): Promise<Plan> {
  const rounds = Number(values.rounds ?? (isQuick ? 1 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds}: a number of 1 or more`);
  const contenders = await contendersHere(values.contenders?.split(";"));
  const times = isQuick
    ? { warmRounds: 0, warmMs: 60, measureMs: 100 }
    : { warmRounds: 1, warmMs: 200, measureMs: 500 };
  return { directory, contenders, limits: new Limits(), rounds, ...times };
}

async function settingsOf({ contenders, limits }: Plan): Promise<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const name of contenders) settings[name] = (await CONTENDERS[name]?.load())?.settings ?? "";
  return limits.isHere ? { ...settings, ...LIMITS_SETTINGS } : settings;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function writeReport(results: Results): void {
  const docs = join(root, "docs");
  rmSync(join(docs, "benchmarks"), { recursive: true, force: true });
  for (const [path, text] of report(results)) write(join(docs, path), text);
  write(join(docs, "benchmarks/results.json"), `${JSON.stringify(results)}\n`);
  console.log("The report is docs/benchmarks.md.");
}

async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "earshot-bench-"));
  // The children end when this process does.
  const onSignal = () => {
    rmSync(directory, { recursive: true, force: true });
    process.exit(1);
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const plan = await planFor(directory);
    const { rounds, warmRounds, measureMs } = plan;
    const machine = describeMachine();
    const date = new Date().toISOString();
    const args = process.argv.slice(2).filter((arg) => arg !== "--report");
    const command = ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
    const settings = await settingsOf(plan);
    const results: Results = {
      version: 1,
      date,
      command,
      machine,
      rounds,
      warmRounds,
      measureMs,
      tables: [],
      settings,
    };
    console.log(printMachine(machine));
    console.log(`Medians of ${rounds} alternating rounds; in brackets how many times as good as the first row.\n`);
    // As they come, so that a run that is broken off has not been for nothing.
    const raw = join(root, "build/bench-results", `${date.replaceAll(/[:.]/g, "-")}.json`);
    await measure(results, plan, () => write(raw, `${JSON.stringify(results)}\n`));
    if (results.tables.length === 0) throw new Error(`nothing has ${JSON.stringify(only)} in its name`);
    console.log(`All results are in ${raw}.`);
    const isWhole = only === undefined && values.contenders === undefined && !isQuick;
    if (values.report ?? isWhole) writeReport(results);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (values.help) console.log(HELP);
else if (values.from !== undefined) writeReport(JSON.parse(readFileSync(values.from, "utf8")));
else await run();
