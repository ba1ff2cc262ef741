/** Installing where there is no compiler: with a prebuilt addon, and without. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type TestContext, test } from "node:test";
import { ROOT } from "../support/process.js";
import { requireLinux, requireTool } from "../support/tools.js";
import { bareEnvironment, install, prepare, type Site, succeed } from "./support.js";

const LIMIT = { timeout: 240_000 };

/** A message and its reply over the transport that is named; the only output is what came of it. */
const ROUND_TRIP = `
import { dial, listen } from "earshot";
const [, , path, transport] = process.argv;
try {
  const handler = (message, { peer }) => [message.text(), typeof peer.credentials].join();
  const server = await listen(path, handler, { transport });
  const client = await dial(path, { transport });
  const reply = await client.send("hello");
  console.log(JSON.stringify({ reply: reply.text() }));
  await client.close();
  await server.close();
} catch ({ code, message }) {
  console.log(JSON.stringify({ code, message }));
}
`;
interface Compiler {
  compile(compiler: string, output: string, flags: readonly string[]): void;
}

/** What the handler knows of who calls tells which transport it is. */
const OVER_NET = { reply: "hello,undefined" };
const OVER_NATIVE = { reply: "hello,object" };

async function roundTrip(t: TestContext, site: Site, env: NodeJS.ProcessEnv, transport: string) {
  writeFileSync(join(site.project, "program.mjs"), ROUND_TRIP);
  const args = ["program.mjs", join(site.directory, "s"), transport];
  const { stdout, stderr } = await succeed(t, process.execPath, args, { cwd: site.project, env });
  assert.equal(stderr, "");
  return JSON.parse(stdout.toString()) as { reply?: string; code?: string; message?: string };
}

test("without a compiler it installs, says what is missing, and works over net", LIMIT, async (t) => {
  if (!requireLinux(t, "addons")) return;
  const site = await prepare(t, "none");
  const env = bareEnvironment(site);
  const { stdout, stderr } = await install(t, site, ["--foreground-scripts"], env);
  const told = `${stdout}\n${stderr}`.split("\n").filter((line) => line.includes("earshot: "));
  assert.equal(told.length, 1, `${stdout}\n${stderr}`);
  assert.match(
    told[0]!,
    /addon is not built: cc, c\+\+, make, python3 are missing\. Without it .*`npm rebuild earshot`/,
  );
  assert.doesNotMatch(`${stdout}${stderr}`, /gyp ERR|\bat .*\.js:\d+|ENOENT/);
  for (const transport of ["auto", "net"]) assert.deepEqual(await roundTrip(t, site, env, transport), OVER_NET);
  const refused = await roundTrip(t, site, env, "native");
  assert.equal(refused.code, "UNSUPPORTED");
  assert.match(refused.message ?? "", /native addon is not built .*`npm rebuild earshot` builds it/);
});

test("with a prebuilt addon it needs no compiler, and says nothing", LIMIT, async (t) => {
  if (!requireLinux(t, "addons") || !requireTool(t, "cc")) return;
  const site = await prepare(t, "prebuilt");
  const env = bareEnvironment(site);
  const { stdout, stderr } = await install(t, site, ["--foreground-scripts"], env);
  assert.doesNotMatch(`${stdout}${stderr}`, /addon|gyp/);
  for (const transport of ["auto", "native"]) assert.deepEqual(await roundTrip(t, site, env, transport), OVER_NATIVE);
  assert.deepEqual(await roundTrip(t, site, env, "net"), OVER_NET);
});

test("with a compiler and no prebuilt addon it is built from source", LIMIT, async (t) => {
  if (!requireLinux(t, "addons") || !requireTool(t, "cc") || !requireTool(t, "python3")) return;
  const site = await prepare(t, "none");
  const { EARSHOT_TRANSPORT: _, EARSHOT_PREBUILD: __, ...env } = process.env;
  const { stdout, stderr } = await install(t, site, ["--foreground-scripts"], env);
  assert.doesNotMatch(`${stdout}${stderr}`, /addon|gyp/);
  assert.deepEqual(await roundTrip(t, site, env, "native"), OVER_NATIVE);
});

test("an addon that is there and does not load is told as such", LIMIT, async (t) => {
  if (!requireLinux(t, "addons")) return;
  const site = await prepare(t, "none");
  const env = bareEnvironment(site);
  await install(t, site, ["--ignore-scripts"], env);
  const addon = join(site.project, "node_modules/earshot/build/Release/earshot.node");
  mkdirSync(dirname(addon), { recursive: true });
  writeFileSync(addon, "not an addon");
  assert.deepEqual(await roundTrip(t, site, env, "auto"), OVER_NET);
  const refused = await roundTrip(t, site, env, "native");
  assert.equal(refused.code, "UNSUPPORTED");
  assert.match(refused.message ?? "", /native addon does not load: .*earshot\.node/);
});

test("an addon of another version is refused, and rebuilding replaces it", LIMIT, async (t) => {
  if (!requireLinux(t, "addons") || !requireTool(t, "cc") || !requireTool(t, "python3")) return;
  const site = await prepare(t, "none");
  const { EARSHOT_TRANSPORT: _, EARSHOT_PREBUILD: __, ...env } = process.env;
  await install(t, site, ["--ignore-scripts"], env);
  const addon = join(site.project, "node_modules/earshot/build/Release/earshot.node");
  const { compile } = (await import(new URL("../../scripts/addon.js", import.meta.url).href)) as Compiler;
  compile("cc", relative(ROOT, addon), ["-DADDON_VERSION=0"]);
  assert.deepEqual(await roundTrip(t, site, env, "auto"), OVER_NET);
  const refused = await roundTrip(t, site, env, "native");
  assert.equal(refused.code, "UNSUPPORTED");
  assert.match(
    refused.message ?? "",
    /does not load: \S*earshot\.node was built for another version of earshot; `npm rebuild earshot`/,
  );
  await succeed(t, "npm", ["rebuild", "earshot"], { cwd: site.project, env });
  assert.deepEqual(await roundTrip(t, site, env, "native"), OVER_NATIVE);
});

test("packing builds the addons that are packed", () => {
  const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { scripts: Record<string, string> };
  assert.equal(scripts.prepack, "node scripts/prebuild.js");
});
