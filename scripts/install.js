// Builds the native addon where no prebuilt one fits. Without a compiler earshot works all the same, over node:net.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL("..", import.meta.url));

/** What node-gyp needs; one of each. */
const TOOLS = [["cc", "gcc", "clang"], ["c++", "g++", "clang++"], ["make"], ["python3", "python"]];

/** In a process of its own: who has loaded an addon that does not do is stuck with it. */
const LOAD = `
try {
  console.log(require("node-gyp-build")(process.cwd()).version);
} catch (error) {
  console.log(error.message);
}`;

/** Why the addon does not load, if so. */
function failure() {
  const { stdout } = spawnSync(process.execPath, ["-e", LOAD], { cwd: root, encoding: "utf8" });
  const answer = stdout.trim();
  const source = readFileSync(join(root, "src/native/earshot.c"), "utf8");
  if (source.includes(`\n#define ADDON_VERSION ${answer}\n`)) return undefined;
  return /^(\d+|undefined)$/.test(answer) ? "what is there was built for another version" : answer;
}

function isInstalled(name) {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => existsSync(join(directory, name)));
}

/** A Node that came with its headers needs no network for them. */
function environment() {
  const prefix = join(dirname(process.execPath), "..");
  const hasHeaders = existsSync(join(prefix, "include/node/common.gypi"));
  return hasHeaders ? { npm_config_nodedir: prefix, ...process.env } : process.env;
}

/** Returns why there is nothing that can be loaded, or nothing if there is. */
function install() {
  const { npm_config_build_from_source: fromSource } = process.env;
  if (fromSource !== "true" && failure() === undefined) return undefined;
  const args = [require.resolve("node-gyp-build/bin.js")];
  // Whatever is there does not do.
  const env = { ...environment(), npm_config_build_from_source: "true" };
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  if (status === 0) return failure();
  const missing = TOOLS.filter((names) => !names.some(isInstalled)).map(([name]) => name);
  if (missing.length > 0) return `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`;
  if (stderr.includes("spawn node-gyp ENOENT")) return "node-gyp is missing";
  return `node-gyp says\n${stderr.trim().split("\n").slice(-12).join("\n")}\n`;
}

if (process.platform === "linux") {
  const why = install();
  if (why !== undefined) {
    console.warn(
      `earshot: the native addon is not built: ${why}. Without it earshot works over node:net, slower, and without ` +
        "credentials or descriptors. `npm rebuild earshot` tries again.",
    );
  }
}
