/** What guarantees.md says is shown by tests that are there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { requireNative } from "../support/manager.js";
import { Program, ROOT } from "../support/process.js";
import { read } from "./documents.js";

const LIMIT = { timeout: 120_000 };
const PAGE = read("docs/guarantees.md");
const NOTES = Array.from(PAGE.matchAll(/^\[\^([\w-]+)\]: \[(.*)\]\(\.\.\/(.*)\)$/gm), ([, note, name, file]) => ({
  note: String(note),
  name: String(name),
  file: String(file),
}));
/** The rows of tables whose last column says what shows them. */
const ROWS = Array.from(PAGE.matchAll(/^\| fault \|.* shown by \|\n\|[- |]*\|\n((?:\|.*\|\n)+)/gm), ([, rows]) =>
  String(rows).trim().split("\n"),
).flat();

test("every row of the guarantees names its tests, and every test is named", () => {
  const named = Array.from(PAGE.matchAll(/\[\^([\w-]+)\](?!:)/g), ([, note]) => note);
  assert.deepEqual([...new Set(named)].sort(), NOTES.map(({ note }) => note).sort());
  assert.ok(ROWS.length > 70, `${ROWS.length} rows`);
  assert.deepEqual(
    ROWS.filter((row) => !/ \| (?:\[\^[\w-]+\] ?)+ \|$/.test(row)),
    [],
  );
});

test("the tests that the guarantees name are there, and run", LIMIT, async (t) => {
  // Without the addon some of them have no names.
  if (requireNative(t) === undefined) return;
  const files = [...new Set(NOTES.map(({ file }) => file))];
  const args = ["--import", "tsx", "test/fixtures/test-names.ts", ...files];
  const { code, stdout, stderr } = await new Program(t, process.execPath, args, { cwd: ROOT }).ended;
  assert.equal(code, 0, stderr);
  const names = JSON.parse(stdout.toString()) as Record<string, readonly string[]>;
  const missing = NOTES.filter(({ name, file }) => !names[file]?.includes(name));
  assert.deepEqual(missing, []);
});
