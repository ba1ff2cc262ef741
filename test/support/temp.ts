import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A new empty directory, as short as can be, removed with all its contents after the test. */
export function temporaryDirectory(t: Pick<TestContext, "after">): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "e-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
