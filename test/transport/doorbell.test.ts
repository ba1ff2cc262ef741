import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";

const MODEL = fileURLToPath(new URL("../../docs/doorbell.pml", import.meta.url));

/** What Spin finds in every order of the model's steps; `undefined` where it is not installed. */
function explore(t: TestContext, ...defines: readonly string[]): string | undefined {
  if (!requireTool(t, "spin") || !requireTool(t, "cc")) return undefined;
  const options = { cwd: temporaryDirectory(t), encoding: "utf8" } as const;
  execFileSync("spin", ["-a", ...defines, MODEL], options);
  execFileSync("cc", ["-O1", "-DSAFETY", "-o", "pan", "pan.c"], options);
  return execFileSync(join(options.cwd, "pan"), ["-n"], options);
}

test("docs/doorbell.pml: in no order of steps does an end of a ring sleep for ever", (t) => {
  const found = explore(t);
  if (found !== undefined) assert.match(found, /errors: 0\n\s*\d{6,} states, stored/);
});

for (const mistake of ["CARELESS_READER", "CARELESS_WRITER", "HASTY_WRITER"]) {
  test(`docs/doorbell.pml: what ${mistake} does is found`, (t) => {
    const found = explore(t, `-D${mistake}`);
    if (found !== undefined) assert.match(found, /invalid end state.*errors: 1/s);
  });
}
