// Builds the native addon where no prebuilt one fits. Without a compiler earshot works all the same, over node:net.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** What node-gyp needs; one of each. */
const TOOLS = [["cc", "gcc", "clang"], ["c++", "g++", "clang++"], ["make"], ["python3", "python"]];

/** Why the addon does not load, if so. */
function failure() {
  try {
    require("node-gyp-build")(new URL("..", import.meta.url).pathname);
    return undefined;
  } catch (error) {
    return error.message;
  }
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
  const { status, stderr } = spawnSync(process.execPath, args, { env: environment(), encoding: "utf8" });
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
