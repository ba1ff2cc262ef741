import { formatNumber, type Machine, median, ratio, type Table } from "./results.js";

/** A table for a terminal; in brackets how many times as good as the first row. */
export function printTable(table: Table): string {
  const rows = Object.entries(table.rows).map(([name, cells]) => [
    name,
    ...cells.map((rounds, column) => {
      const better = ratio(table, name, column);
      const brackets = Number.isFinite(better) ? `(${better >= 100 ? Math.round(better) : better.toPrecision(2)})` : "";
      return rounds.length === 0 ? "–" : `${formatNumber(median(rounds))} ${brackets.padStart(7)}`;
    }),
  ]);
  const head = [table.axis ?? "", ...table.columns];
  const widths = head.map((cell, index) => Math.max(cell.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join("  ");
  const title = `${table.title}, ${table.unit}${table.isLowerBetter ? ", lower is better" : ""}`;
  const hasHead = head.some((cell) => cell !== "");
  return [title, ...(hasHead ? [line(head)] : []), ...rows.map(line), ...table.notes, ""].join("\n");
}

export function printMachine({ node, system, cpu, cores, memoryGiB, load }: Machine): string {
  const busy = load > 0.5 ? "; SOMETHING ELSE IS RUNNING, so believe none of this" : "";
  return `Node ${node}, ${system}, ${cores} × ${cpu}, ${memoryGiB} GiB, load ${load}${busy}`;
}
