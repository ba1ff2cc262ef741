/** The programs in README and the guide: all of them type-check, and those that can be are run and say what they promise. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { chooseSockets } from "../../src/transport/kind.js";
import { type Ended, Program, ROOT } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { require, requireTool } from "../support/tools.js";
import { type Block, blocks, fileOf, isRunnable, placeOf, said } from "./documents.js";

const LIMIT = { timeout: 30_000 };
const COMPILER_LIMIT = { timeout: 120_000 };
const IS_NATIVE = chooseSockets("auto").kind === "native";
const PROGRAMS = blocks("ts", "js");
const SCRIPTS = blocks("sh");
const OPTIONS = ["--strict", "--noUncheckedIndexedAccess", "--skipLibCheck", "--types", "node", "--pretty", "false"];
const TARGET = ["--ignoreConfig", "--target", "es2022", "--lib", "es2023,esnext.disposable", "--module", "nodenext"];

/** Inside of the package, so that `earshot` is what it exports. */
let site = "";
/** How the compiler ended. */
let compiled: Ended;

/** The name of a block's program, without its ending. */
function nameOf(block: Block): string {
  const name = fileOf(block) ?? `${basename(block.document, ".md")}-${block.line}`;
  return join(basename(block.document, ".md"), name.replace(/\.(ts|mjs)$/, ""));
}

before(async () => {
  mkdirSync(`${ROOT}build`, { recursive: true });
  site = mkdtempSync(`${ROOT}build/docs-`);
  for (const block of PROGRAMS) {
    const path = join(site, "source", `${nameOf(block)}.ts`);
    mkdirSync(join(path, ".."), { recursive: true });
    // So that a mistake is found at the line that it has in the document.
    writeFileSync(path, `${"\n".repeat(block.line - 1)}${block.text}\nexport {};\n`);
  }
  const files = PROGRAMS.map((block) => join(site, "source", `${nameOf(block)}.ts`));
  const args = [...OPTIONS, ...TARGET, "--rootDir", join(site, "source"), "--outDir", join(site, "out"), ...files];
  const tsc = [`${ROOT}node_modules/typescript/bin/tsc`, ...args];
  compiled = await new Program({ after: () => {} }, process.execPath, tsc, { cwd: ROOT }).ended;
}, COMPILER_LIMIT);

after(() => rmSync(site, { recursive: true, force: true }));

test("every program is a strict TypeScript program", () => {
  assert.equal(compiled.code, 0, `${compiled.stdout}${compiled.stderr}`);
});

test("a block that is not run says why", () => {
  const marked = [...PROGRAMS, ...SCRIPTS].filter(({ info }) => info.startsWith("no-run"));
  assert.deepEqual(marked.filter(({ info }) => !/^no-run: \S/.test(info)).map(placeOf), []);
});

/** Short-lived, and nobody else's: paths in /tmp and bare names mean something in it. */
function environment(t: TestContext): { readonly directory: string; readonly env: NodeJS.ProcessEnv } {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "original"), "an original\n".repeat(100_000));
  return { directory, env: { ...process.env, XDG_RUNTIME_DIR: directory } };
}

/** Every promised line was printed, in this order. */
function assertSaid(block: Block, stdout: string): void {
  const lines = stdout.split("\n");
  let at = 0;
  for (const line of said(block)) {
    const found = lines.indexOf(line, at);
    assert.ok(found >= 0, `it has not said ${JSON.stringify(line)}, but:\n${stdout}`);
    at = found + 1;
  }
}

for (const block of PROGRAMS.filter(isRunnable)) {
  test(`${placeOf(block)} runs`, LIMIT, async (t) => {
    if (block.info.includes("addon") && !require(t, IS_NATIVE, "there is no native addon")) return;
    const { directory, env } = environment(t);
    const program = join(site, "out", `${nameOf(block)}.js`);
    const text = block.text.includes("/tmp/") ? relocate(program, directory) : program;
    const { code, stdout, stderr } = await new Program(t, process.execPath, [text], { cwd: directory, env }).ended;
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.equal(stderr, "");
    assertSaid(block, stdout.toString());
  });
}

/** A copy of a compiled program that uses a directory of its own instead of /tmp. */
function relocate(program: string, directory: string): string {
  const copy = program.replace(/\.js$/, ".moved.js");
  writeFileSync(copy, readFileSync(program, "utf8").replaceAll("/tmp/", `${directory}/`));
  return copy;
}

for (const block of SCRIPTS.filter((block) => isRunnable(block) && /\bearshot\b/.test(block.text))) {
  test(`${placeOf(block)} runs`, COMPILER_LIMIT, async (t) => {
    for (const tool of ["go", "nc", "python3", "socat"]) {
      if (new RegExp(`\\b${tool} `).test(block.text) && !requireTool(t, tool)) return;
    }
    const { directory, env } = environment(t);
    const bin = join(directory, "bin");
    for (const name of ["bin", "node_modules"]) mkdirSync(join(directory, name));
    symlinkSync(`${ROOT}bin/earshot.js`, join(bin, "earshot"));
    symlinkSync(ROOT, join(directory, "node_modules", "earshot"));
    symlinkSync(`${ROOT}node_modules/zod`, join(directory, "node_modules", "zod"));
    const move = (text: string) => text.replaceAll("/tmp/", `${directory}/`);
    for (const file of filesFor(block)) writeFileSync(join(directory, String(fileOf(file))), move(textOf(file)));
    const go = { GO111MODULE: "off", GOTOOLCHAIN: "local", CGO_ENABLED: "0", GOCACHE: join(directory, "cache") };
    const options = { cwd: directory, env: { ...env, ...go, PATH: `${bin}:${process.env.PATH}` } };
    const { code, stdout, stderr } = await new Program(t, "sh", ["-e", "-c", move(block.text)], options).ended;
    assert.equal(code, 0, `${stdout}${stderr}`);
    assertSaid(block, stdout.toString());
  });
}

/** The files that blocks before it have left for it. */
function filesFor({ document, line }: Block): Block[] {
  return blocks("go", "py", "js").filter((file) => file.document === document && file.line < line && fileOf(file));
}

function textOf(file: Block): string {
  return file.language === "js" ? readFileSync(join(site, "out", `${nameOf(file)}.js`), "utf8") : file.text;
}

/** A command of the package in a line of a script: its name, and its flags. */
const COMMAND = /(?:^|[|&;] *|then |until |if )earshot (\w+)([^|&;\n#]*)/gm;

test("commands in scripts have the flags that their help knows", LIMIT, async (t) => {
  const help = new Map<string, string>();
  for (const block of SCRIPTS) {
    for (const [, command = "", rest = ""] of block.text.matchAll(COMMAND)) {
      const text = help.get(command) ?? (await helpOf(t, command));
      help.set(command, text);
      for (const [flag] of rest.matchAll(/(?<= )--[a-z-]+/g)) {
        assert.ok(text.includes(flag), `${placeOf(block)}: earshot ${command} has no ${flag}`);
      }
    }
  }
});

async function helpOf(t: TestContext, command: string): Promise<string> {
  const { code, stdout } = await new Program(t, process.execPath, [`${ROOT}bin/earshot.js`, command, "--help"]).ended;
  assert.equal(code, 0, `there is no command earshot ${command}`);
  return stdout.toString();
}
