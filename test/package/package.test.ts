/** What `npm pack` makes of the built package, as its users get it: installed, run and type-checked as README says. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Ended, Program, ROOT } from "../support/process.js";

const LIMIT = { timeout: 120_000 };
const README = readFileSync(`${ROOT}README.md`, "utf8");
/** What README's first program listens on. */
const README_SOCKET = "/tmp/earshot-hello.sock";

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

const directory = mkdtempSync(join(realpathSync(tmpdir()), "e-"));
const project = join(directory, "project");
let packed: Packed;

const cleanups: (() => void)[] = [];
const suite = { after: (cleanup: () => void) => void cleanups.push(cleanup) };

async function succeed(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  const ended = await new Program(suite, command, args, { cwd }).ended;
  const { code, stdout, stderr } = ended;
  assert.equal(code, 0, `${command} ${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
  return ended;
}

/** The first block of README in this language. */
function block(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "m").exec(README) ?? [];
  assert.ok(text !== undefined, `README.md has no block of ${language}`);
  return text;
}

/** README's first program, with a socket of its own. */
function firstProgram(): string {
  const text = block("js");
  assert.ok(text.includes(README_SOCKET), `README.md's first program no longer uses ${README_SOCKET}`);
  return text.replaceAll(README_SOCKET, join(directory, "s"));
}

/** Type-checks a file of the project as a strict TypeScript program of Node. */
async function typeCheck(name: string, text: string): Promise<void> {
  writeFileSync(join(project, name), text);
  const types = ["--types", "node", "--typeRoots", `${ROOT}node_modules/@types`];
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", ...types];
  await succeed(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`, ...options, name], project);
}

before(async () => {
  for (const file of ["dist/index.js", "dist/index.d.ts", "dist/cli.js"]) {
    assert.ok(existsSync(ROOT + file), `${file} is missing: run \`npm run build\` before the tests`);
  }
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", directory];
  const { stdout } = await succeed("npm", args, ROOT);
  [packed] = JSON.parse(stdout.toString()) as [Packed];
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const tarball = join(directory, packed.filename);
  await succeed("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--offline", tarball], project);
}, LIMIT);

after(() => {
  for (const cleanup of cleanups) cleanup();
  rmSync(directory, { recursive: true, force: true });
});

test("the tarball has what users need, and nothing else", () => {
  const documents = ["CHANGELOG.md", "LICENSE", "PROTOCOL.md", "README.md", "package.json"];
  const paths = packed.files.map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => !/^(bin|dist)\//.test(path)).sort(), documents);
  assert.deepEqual(
    paths.filter((path) => path.startsWith("bin/")),
    ["bin/earshot.js"],
  );
  assert.deepEqual(
    paths.filter((path) => path.startsWith("dist/") && !/\.(js|d\.ts)$/.test(path)),
    [],
  );
});

test("the installed package brings nothing else with it", async () => {
  const { stdout } = await succeed("npm", ["ls", "--all", "--parseable"], project);
  assert.deepEqual(stdout.toString().trim().split("\n"), [project, join(project, "node_modules", "earshot")]);
});

test("README's first program runs, and prints what its comment says", LIMIT, async () => {
  const text = firstProgram();
  writeFileSync(join(project, "first.mjs"), text);
  const said = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => `${match[1]}\n`);
  assert.ok(said.length > 0, "README.md's first program no longer says what it prints");
  const { stdout, stderr } = await succeed(process.execPath, ["first.mjs"], project);
  assert.equal(stdout.toString(), said.join(""));
  assert.equal(stderr, "");
  assert.ok(!existsSync(join(directory, "s")), "it left its socket file behind");
});

test("README's first program is a strict TypeScript program too", LIMIT, async () => {
  await typeCheck("first.ts", firstProgram());
});

test("README's program in TypeScript type-checks", LIMIT, async () => {
  await typeCheck("second.ts", block("ts"));
});

test("a program that uses the package wrongly does not type-check", LIMIT, async () => {
  const wrong = `import { dial, listen } from "earshot";
// @ts-expect-error a reply is no number
await listen("a", () => 1);
// @ts-expect-error only listen has a mode
await dial("a", { mode: 0o600 });
`;
  await typeCheck("wrong.ts", wrong);
});

test("the installed command tells the version of the package", async () => {
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { version: string };
  const { stdout } = await succeed(join(project, "node_modules", ".bin", "earshot"), ["--version"], project);
  assert.equal(stdout.toString().trim(), version);
});
