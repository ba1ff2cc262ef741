import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";

/** Skips the test if the program is not installed; with `EARSHOT_FORBID_SKIPS` set, fails it. */
export function requireTool(t: TestContext, program: string): boolean {
  const { PATH = "" } = process.env;
  const directories = PATH.split(delimiter);
  return require(t, directories.some((directory) =>
    isExecutable(join(directory, program)),
  ), `${program} is not installed`);
}

/** The same for tests that become another user. */
export function requireRoot(t: TestContext): boolean {
  return require(t, process.getuid?.() === 0, "only root can become another user");
}

/** The same for what only Linux has. */
export function requireLinux(t: TestContext, what: string): boolean {
  return require(t, process.platform === "linux", `${what} are Linux's`);
}

/** The same for anything else that a test needs of its machine. */
export function require(t: TestContext, isMet: boolean, otherwise: string): boolean {
  if (isMet) return true;
  const { EARSHOT_FORBID_SKIPS } = process.env;
  if (EARSHOT_FORBID_SKIPS) throw new Error(`This test may not be skipped, but ${otherwise}`);
  t.skip(otherwise);
  return false;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
