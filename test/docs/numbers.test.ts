/** The numbers in the guide are those of the sources. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OVERLOAD_DEFAULTS } from "../../src/peer/admission.js";
import { BROADCAST_DEFAULTS } from "../../src/peer/broadcast-options.js";
import { LISTEN_DEFAULTS } from "../../src/peer/options.js";
import { ROOT } from "../support/process.js";
import { read } from "./documents.js";

const UNITS: Readonly<Record<string, number>> = { KiB: 1_024, MiB: 1_048_576, s: 1_000 };

/** The number in a cell, such as `64 KiB` or `1,024 for each connection`. */
function numberIn(cell: string): number {
  const [, digits = "", unit = ""] = /^([\d,]+)(?: (KiB|MiB|s)\b)?/.exec(cell) ?? [];
  return Number(digits.replaceAll(",", "")) * (UNITS[unit] ?? 1);
}

/** The rows of all tables, cell by cell. */
function rows(document: string): string[][] {
  const lines = read(document).match(/^\| .* \|$/gm) ?? [];
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

function constant(path: string, name: string): number {
  const [, digits = ""] = new RegExp(`const ${name} = ([\\d_]+);`).exec(readFileSync(ROOT + path, "utf8")) ?? [];
  return Number(digits.replaceAll("_", ""));
}

test("limits: the defaults in messages.md", () => {
  const options = rows("docs/messages.md").filter(([name = ""]) => /^`(max|\w+TimeoutMs)/.test(name));
  const names = options.map(([name = ""]) => name.slice(1, -1));
  const expected = Object.keys(LISTEN_DEFAULTS).filter((name) => /^max|TimeoutMs$/.test(name));
  assert.deepEqual(names.sort(), expected.sort());
  for (const [name = "", cell = ""] of options) {
    assert.equal(numberIn(cell), LISTEN_DEFAULTS[name.slice(1, -1) as keyof typeof LISTEN_DEFAULTS], name);
  }
});

for (const [document, defaults] of [
  ["docs/topics.md", BROADCAST_DEFAULTS],
  ["docs/overload.md", OVERLOAD_DEFAULTS],
] as const) {
  test(`limits: the defaults in ${document}`, () => {
    const told = rows(document).filter(([name = ""]) => Object.hasOwn(defaults, name.slice(1, -1)));
    const found = Object.fromEntries(told.map(([name = "", cell = ""]) => [name.slice(1, -1), numberIn(cell)]));
    assert.deepEqual(found, defaults);
  });
}

test("what is held of streams: the table in streams.md", () => {
  const told = rows("docs/streams.md").flatMap(([, cell = ""]) => (/^\d+ [KM]iB$/.test(cell) ? [numberIn(cell)] : []));
  assert.deepEqual(told, [
    constant("src/wire/frame.ts", "FIRST_WINDOW_BYTES"),
    constant("src/session/streams.ts", "MORE_BYTES"),
    constant("src/session/streams.ts", "POOL_BYTES"),
    constant("src/session/outgoing-stream.ts", "FULL_BYTES"),
  ]);
  const plain = constant("src/session/plain-input.ts", "FULL_BYTES") / 1_024;
  assert.ok(read("docs/streams.md").includes(`with ${plain} KiB unread`));
});
