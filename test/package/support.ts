import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { type Ended, Program, ROOT, type StartOptions } from "../support/process.js";

type Test = Pick<TestContext, "after">;

export interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Runs a command that must succeed. */
export async function succeed(
  t: Test,
  command: string,
  args: readonly string[],
  options: StartOptions,
): Promise<Ended> {
  const ended = await new Program(t, command, args, options).ended;
  const { code, stdout, stderr } = ended;
  assert.equal(code, 0, `${command} ${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
  return ended;
}

/** npm as a program of this Node's, to be run where PATH has neither. */
export const NPM = realpathSync(execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim());

/** Packs a directory as it is. */
async function pack(t: Test, source: string, into: string): Promise<Packed> {
  const args = ["pack", source, "--json", "--ignore-scripts", "--pack-destination", into];
  const { stdout } = await succeed(t, "npm", args, { cwd: into });
  const [packed] = JSON.parse(stdout.toString()) as [Packed];
  return packed;
}

/** A directory for one package and one project, and what is in the package; removed after the test. */
export interface Site {
  readonly directory: string;
  readonly project: string;
  readonly packed: Packed;
  readonly tarballs: readonly string[];
}

/** What builds the prebuilt addons, which users do not get. */
const BUILDERS = ["scripts/prebuild.js", "scripts/addon.js"];

/** Packs the built package with the addons that this machine can build, or with none; and its one dependency. */
export async function prepare(t: Test, addons: "prebuilt" | "none"): Promise<Site> {
  for (const file of ["dist/index.js", "dist/index.d.ts", "dist/cli.js"]) {
    assert.ok(existsSync(ROOT + file), `${file} is missing: run \`npm run build\` before the tests`);
  }
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "e-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [source, project] = [join(directory, "source"), join(directory, "project")];
  for (const { path } of (await pack(t, ROOT, directory)).files) {
    if (!path.startsWith("prebuilds/")) cpSync(ROOT + path, join(source, path));
  }
  if (addons === "prebuilt") {
    for (const path of BUILDERS) cpSync(ROOT + path, join(source, path));
    await succeed(t, process.execPath, ["scripts/prebuild.js"], { cwd: source });
  }
  const packed = await pack(t, source, directory);
  const dependency = await pack(t, `${ROOT}node_modules/node-gyp-build`, directory);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return {
    directory,
    project,
    packed,
    tarballs: [packed, dependency].map(({ filename }) => join(directory, filename)),
  };
}

/** Installs it without a network. */
export async function install(
  t: Test,
  { project, tarballs }: Site,
  flags: string[],
  env = process.env,
): Promise<Ended> {
  const args = [NPM, "install", "--offline", "--no-audit", "--no-fund", ...flags, ...tarballs];
  return await succeed(t, process.execPath, args, { cwd: project, env });
}

/** An environment whose PATH has only Node and a shell: no compiler, make, Python or node-gyp. */
export function bareEnvironment({ directory }: Site): NodeJS.ProcessEnv {
  const bin = join(directory, "bin");
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, "node"));
  symlinkSync("/bin/sh", join(bin, "sh"));
  const { EARSHOT_TRANSPORT: _, EARSHOT_PREBUILD: __, ...rest } = process.env;
  // What npm sets for the scripts that it runs is no part of a user's environment.
  const own = Object.entries(rest).filter(([name]) => !name.startsWith("npm_"));
  return { ...Object.fromEntries(own), PATH: bin, HOME: dirname(bin) };
}
