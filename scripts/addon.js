// The addon without node-gyp: for other compilers and other flags than it would take, from the same list in binding.gyp.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Where node-gyp has them, or where a Node came with them: those of any do, for Node-API is the same in all. */
export function findHeaders() {
  const { npm_config_nodedir: given, XDG_CACHE_HOME: cache = join(homedir(), ".cache") } = process.env;
  const own = join(dirname(process.execPath), "..");
  const prefixes = [given, own, join(cache, "node-gyp", process.versions.node), "/usr/local", "/usr"];
  return prefixes
    .filter((prefix) => prefix !== undefined)
    .map((prefix) => join(prefix, "include/node"))
    .find((directory) => existsSync(join(directory, "node_api.h")));
}

export function hasProgram(name) {
  const directories = (process.env.PATH ?? "").split(":");
  return directories.some((directory) => existsSync(join(directory, name)));
}

/** Builds `output`, a path from the root. */
export function compile(compiler, output, flags) {
  const headers = findHeaders();
  if (headers === undefined) throw new Error("Node's headers are not here: `npx node-gyp install` brings them");
  const { targets } = JSON.parse(readFileSync(join(root, "binding.gyp"), "utf8"));
  const [, { sources, defines, cflags, ldflags }] = targets[0].conditions[0];
  const include = [`-I${headers}`, "-DNODE_GYP_MODULE_NAME=earshot", ...defines.map((name) => `-D${name}`)];
  mkdirSync(dirname(join(root, output)), { recursive: true });
  execFileSync(compiler, [...cflags, ...include, "-shared", "-fPIC", ...ldflags, ...flags, ...sources, "-o", output], {
    cwd: root,
    stdio: "inherit",
  });
}
