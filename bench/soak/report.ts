import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Measure, Party } from "./party.js";
import { type Panel, plot } from "./plot.js";
import type { Counts } from "./soaked-contract.js";
import { flatness, KINDS, type Kind } from "./verdict.js";

const UNITS: Readonly<Record<Kind, { readonly title: string; readonly unit: number }>> = {
  descriptors: { title: "open descriptors", unit: 1 },
  memoryBytes: { title: "resident memory, MiB", unit: 1_048_576 },
  diskBytes: { title: "disk, MiB", unit: 1_048_576 },
};

/** What has come out of a soak. */
export interface Findings {
  readonly seconds: number;
  readonly parties: ReadonlyMap<Party, readonly Measure[]>;
  readonly killedAt: readonly number[];
  readonly strangers: number;
  readonly counts: ReadonlyMap<string, Counts>;
  readonly problems: readonly string[];
}

/** Writes the report and its plot. @returns what is wrong, one a line; nothing when all is well */
export function report(directory: string, findings: Findings): readonly string[] {
  const { parties, killedAt, seconds, strangers, counts } = findings;
  const problems = [...findings.problems];
  const rows: string[] = [];
  for (const [{ name, kills }, measures] of parties) {
    // Who was killed is young: of its memory nothing can be said.
    for (const kind of kills === 0 ? KINDS : (["diskBytes"] as const)) {
      const { before, after, isFlat } = flatness(measures, kind);
      const { title, unit } = UNITS[kind];
      const [from, to] = [before, after].map((value) => (value / unit).toFixed(unit === 1 ? 0 : 1));
      rows.push(`| ${name} (killed ${kills} times) | ${title} | ${from} | ${to} | ${isFlat ? "yes" : "**no**"} |`);
      if (!isFlat) problems.push(`${name}: ${title} grew from ${from} to ${to}`);
    }
  }
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "soak.svg"), plot(panels(parties), seconds, killedAt));
  const lines = [
    "# Soak",
    "",
    `${Math.round(seconds)} seconds, ${killedAt.length} kills, ${strangers} strangers. Node ${process.version}.`,
    problems.length === 0 ? "Everything is flat." : `**${problems.length} problems**`,
    ...problems.map((problem) => `- ${problem}`),
    "",
    "![descriptors, memory and disk](soak.svg)",
    "",
    "| process | what | before, at most | at the end | flat |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    ...[...counts].flatMap(([name, all]) => ["", `## What became of the messages of ${name}`, "", ...countLines(all)]),
    "",
  ];
  writeFileSync(join(directory, "report.md"), lines.join("\n"));
  return problems;
}

function countLines(counts: Counts): string[] {
  const sorted = Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
  return sorted.map(([what, count]) => `- ${what.trim()}: ${count}`);
}

function panels(parties: Findings["parties"]): Panel[] {
  return KINDS.map((kind) => ({
    title: UNITS[kind].title,
    series: [...parties].map(([{ name }, measures]) => ({
      name,
      values: measures.map((measure) => measure[kind] / UNITS[kind].unit),
    })),
  }));
}
