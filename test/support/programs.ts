import { symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { ROOT } from "./process.js";
import { compileFixture } from "./starter.js";

/** As `compileFixture`, and the program, which is a bundle somewhere else, finds lmdb all the same. */
export async function compileWithPackages(t: Pick<TestContext, "after">, name: string): Promise<string> {
  const program = await compileFixture(t, name);
  symlinkSync(join(ROOT, "node_modules"), join(dirname(program), "node_modules"));
  return program;
}
