/** What `npm pack` makes of the built package, as its users get it: installed, run and type-checked as README says. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Ended, ROOT } from "../support/process.js";
import { requireLinux, requireTool } from "../support/tools.js";
import { install, prepare, succeed as run, type Site } from "./support.js";

const LIMIT = { timeout: 120_000 };
/** As node-gyp-build tells them apart. */
const LIBC = existsSync("/etc/alpine-release") ? "musl" : "glibc";
const README = readFileSync(`${ROOT}README.md`, "utf8");
/** What README's first program listens on. */
const README_SOCKET = "/tmp/earshot-hello.sock";

let site: Site;

const cleanups: (() => void)[] = [];
const suite = { after: (cleanup: () => void) => void cleanups.push(cleanup) };

async function succeed(command: string, args: readonly string[]): Promise<Ended> {
  return await run(suite, command, args, { cwd: site.project });
}

/** README's first program, with a socket of its own. */
function firstProgram(): string {
  const [, text = ""] = /^```js\n([\s\S]*?)^```$/m.exec(README) ?? [];
  assert.ok(text.includes(README_SOCKET), `README.md's first program no longer uses ${README_SOCKET}`);
  return text.replaceAll(README_SOCKET, join(site.directory, "s"));
}

/** Type-checks a file of the project as a strict TypeScript program of Node. */
async function typeCheck(name: string, text: string): Promise<void> {
  writeFileSync(join(site.project, name), text);
  const types = ["--types", "node", "--typeRoots", `${ROOT}node_modules/@types`];
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", ...types];
  await succeed(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`, ...options, name]);
}

before(async () => {
  site = await prepare(suite, "prebuilt");
  await install(suite, site, []);
}, LIMIT);

after(() => {
  for (const cleanup of cleanups.reverse()) cleanup();
});

test("the tarball has what users need, and nothing else", () => {
  const documents = ["CHANGELOG.md", "LICENSE", "PROTOCOL.md", "README.md", "package.json"];
  const addon = ["binding.gyp", "scripts/install.js", "src/native/earshot.c", "src/native/view.c", "src/native/view.h"];
  const paths = site.packed.files.map(({ path }) => path);
  const others = paths.filter((path) => !/^(bin|dist|prebuilds)\//.test(path));
  assert.deepEqual(others.sort(), [...documents, ...addon].sort());
  assert.deepEqual(
    paths.filter((path) => path.startsWith("bin/")),
    ["bin/earshot.js"],
  );
  assert.deepEqual(
    paths.filter((path) => path.startsWith("dist/") && !/\.(js|d\.ts)$/.test(path)),
    [],
  );
});

test("the tarball has an addon for this machine, and what else could be built", (t) => {
  if (!requireLinux(t, "addons") || !requireTool(t, "cc")) return;
  const prebuilt = site.packed.files.map(({ path }) => path).filter((path) => path.startsWith("prebuilds/"));
  assert.ok(prebuilt.includes(`prebuilds/linux-${process.arch}/earshot.${LIBC}.node`));
  for (const path of prebuilt) assert.match(path, /^prebuilds\/linux-(x64|arm64)\/earshot\.(glibc|musl)\.node$/);
});

test("the installed package brings what finds its addon with it, and nothing else", async () => {
  const { stdout } = await succeed("npm", ["ls", "--all", "--parseable"]);
  const modules = join(site.project, "node_modules");
  assert.deepEqual(stdout.toString().trim().split("\n").sort(), [
    site.project,
    join(modules, "earshot"),
    join(modules, "node-gyp-build"),
  ]);
});

test("README's first program runs, and prints what its comment says", LIMIT, async () => {
  const text = firstProgram();
  writeFileSync(join(site.project, "first.mjs"), text);
  const said = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => `${match[1]}\n`);
  assert.ok(said.length > 0, "README.md's first program no longer says what it prints");
  const { stdout, stderr } = await succeed(process.execPath, ["first.mjs"]);
  assert.equal(stdout.toString(), said.join(""));
  assert.equal(stderr, "");
  assert.ok(!existsSync(join(site.directory, "s")), "it left its socket file behind");
});

test("README's first program is a strict TypeScript program too", LIMIT, async () => {
  await typeCheck("first.ts", firstProgram());
});

test("a program with a contract type-checks without any other package", LIMIT, async () => {
  const text = `import { EarshotError } from "earshot";
import { clientOf, connect, contract, isError, procedure, serve, type } from "earshot/contract";
export const echo = contract("echo", "1.0.0", {
  say: procedure({ input: type<string>(), output: type<string>(), errors: { No: type<number>() } }),
  count: procedure({ input: type<number>(), yields: type<number>() }),
});
const server = await serve("a", echo, { say: async (text) => text.trim(), count: (upTo) => Array(upTo).keys() });
const api = await connect("a", echo, { timeoutMs: 5 });
for await (const number of api.count(3)) number.toFixed();
api.say("a").catch((error) => isError(echo.say, error, "No") && error.data.toFixed());
await clientOf(api).close();
await server.close();
export { EarshotError };
`;
  await typeCheck("contract.ts", text);
});

test("a program with an outbox type-checks without lmdb, and says at run time that it is missing", LIMIT, async () => {
  const text = `import { EarshotError } from "earshot";
import { inbox, openOutbox } from "earshot/outbox";
const open = async (directory: string) => {
  const outbox = await openOutbox(directory, { address: "a", retry: { minDelayMs: 5 } });
  outbox.on("dead", ({ id, reason }) => id + reason.code);
  const { id } = await outbox.post("a", { key: "k", expiresAt: new Date() });
  for (const letter of outbox.deadLetters.list()) letter.reason.attempts.toFixed();
  await outbox.close();
  return id.length;
};
const error: unknown = await open("x").catch((error: unknown) => error);
console.log(error instanceof EarshotError && error.message);
export const seen = () => inbox("y");
`;
  await typeCheck("outbox.ts", text);
  const program = text.replace(/: (string|unknown)/g, "");
  writeFileSync(join(site.project, "outbox.mjs"), program);
  const { stdout } = await succeed(process.execPath, ["outbox.mjs"]);
  const fact = "it needs the package lmdb, which is not installed: npm install lmdb";
  assert.equal(stdout.toString(), `Cannot open the outbox "x": ${fact}\n`);
});

test("both entry points have the same error class", LIMIT, async () => {
  const text = `import { EarshotError } from "earshot";
import { connect, contract } from "earshot/contract";
const error = await connect(${JSON.stringify(join(site.directory, "none"))}, contract("a", "1.0.0", {})).catch((error) => error);
console.log(error instanceof EarshotError, error.code);
`;
  writeFileSync(join(site.project, "same.mjs"), text);
  const { stdout } = await succeed(process.execPath, ["same.mjs"]);
  assert.equal(stdout.toString(), "true NO_SERVER\n");
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
  const { stdout } = await succeed(join(site.project, "node_modules", ".bin", "earshot"), ["--version"]);
  assert.equal(stdout.toString().trim(), version);
});
