/** The report of the benchmark is what its results say, and nobody has written in it. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { barChart, lineChart } from "../../bench/chart.js";
import { printTable } from "../../bench/print.js";
import { report } from "../../bench/report.js";
import { formatNumber, median, type Results, ratio, type Table, tableOf } from "../../bench/results.js";
import { ROOT } from "../support/process.js";
import { read } from "./documents.js";

const DOCS = `${ROOT}docs`;

const TABLE: Table = {
  id: "round-trip-median",
  title: "Round trip",
  unit: "µs",
  isLowerBetter: true,
  axis: "size",
  columns: ["64 B", "1 MiB"],
  rows: {
    net: [
      [60, 50, 70],
      [400, 500, 600],
    ],
    "earshot <&\"'>": [[2], []],
  },
  notes: [],
};

test("docs/benchmarks.md and its charts are what benchmarks/results.json makes", () => {
  const results: Results = JSON.parse(readFileSync(join(DOCS, "benchmarks/results.json"), "utf8"));
  const files = report(results);
  for (const [path, text] of files) assert.equal(readFileSync(join(DOCS, path), "utf8"), text, path);
  const charts = readdirSync(join(DOCS, "benchmarks")).filter((name) => name.endsWith(".svg"));
  assert.deepEqual(
    charts.map((name) => `benchmarks/${name}`).filter((path) => !files.has(path)),
    [],
  );
  assert.ok(existsSync(join(DOCS, "benchmarks.md")));
});

/** What the rows of README's table are in the results. */
const IN_README: Readonly<Record<string, readonly [id: string, column: string]>> = {
  "Round trip of 64 B, median, µs": ["round-trip-median", "64 B"],
  "Messages of 64 B, 256 in flight, thousand/s": ["in-flight", "256"],
  "Messages of 1 MiB, GB/s": ["bulk", "1 MiB"],
};

test("every figure in README's table is a result of the benchmark", () => {
  const [, table = ""] = /^(\| \| earshot[\s\S]*?)\n\n/m.exec(read("README.md")) ?? [];
  const [head = "", , ...lines] = table.split("\n");
  const cells = (line: string) => line.slice(2, -2).split(" | ");
  const [, ...names] = cells(head.replace("| |", "| - |"));
  const results: Results = JSON.parse(readFileSync(join(DOCS, "benchmarks/results.json"), "utf8"));
  assert.deepEqual(
    lines.map((line) => cells(line)[0]),
    Object.keys(IN_README),
  );
  for (const line of lines) {
    const [label = "", ...figures] = cells(line);
    const [id, column] = IN_README[label] ?? [];
    const found = results.tables.find((one) => one.id === id);
    const index = found?.columns.indexOf(column ?? "") ?? -1;
    assert.deepEqual(
      figures,
      names.map((name) => formatNumber(median(found?.rows[name]?.[index] ?? []))),
      label,
    );
  }
});

test("a median is one of the results, and of an even number the lower in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2);
  assert.ok(Number.isNaN(median([])));
});

test("ratios are above 1 where it is better than the first row, whichever way that is", () => {
  assert.equal(ratio(TABLE, "earshot <&\"'>", 0), 30);
  assert.equal(ratio({ ...TABLE, isLowerBetter: false }, "earshot <&\"'>", 0), 1 / 30);
  assert.ok(Number.isNaN(ratio(TABLE, "earshot <&\"'>", 1)));
});

test("numbers have the digits that count", () => {
  assert.deepEqual([0.01234, 1.5, 99.95, 123.4, 1_234_567, Number.NaN].map(formatNumber), [
    "0.0123",
    "1.50",
    "100",
    "123",
    "1,234,567",
    "–",
  ]);
});

test("a table in a terminal has a dash for what was not measured, and ratios to the first row", () => {
  assert.deepEqual(printTable(TABLE).split("\n"), [
    "Round trip, µs, lower is better",
    "size                   64 B        1 MiB",
    "net            60.0   (1.0)  500   (1.0)",
    "earshot <&\"'>  2.00    (30)            –",
    "",
  ]);
});

test("a row of the older parts is a table of one column", () => {
  const table = tableOf({ name: "start, 64 B", unit: "ms", isLowerBetter: true, results: { a: [1], b: [2] } });
  assert.equal(table.id, "start-64-b");
  assert.deepEqual(table.rows, { a: [[1]], b: [[2]] });
});

test("charts are well-formed whatever names and values are there, and the same each time", () => {
  for (const draw of [lineChart, barChart]) {
    for (const values of [
      [[2, undefined]],
      [[undefined, undefined]],
      [
        [0, 1e9],
        [1e-3, 5],
      ],
      [],
    ]) {
      const series = values.map((some, index) => ({ name: `<&"${index}`, values: some }));
      const chart = { title: "a < b & c", unit: "µs", axis: "size", columns: ["1", "2"], series };
      const svg = draw(chart);
      assert.equal(svg, draw(chart));
      assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
      assert.doesNotMatch(svg.replaceAll(/<[a-z/][^<>]*>|&(amp|lt|quot);/g, ""), /[<>&]/);
    }
  }
});
