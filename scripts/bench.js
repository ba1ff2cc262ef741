// Runs the benchmark, with the arguments of bench/main.ts. It is compiled first: with a loader that compiles as it goes,
// everything would be measured with that loader in the process, and the slowest calls would be its own.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = readdirSync(join(root, "bench")).filter((name) => name.endsWith(".ts"));

/** @returns whether it went well */
function run(command, ...args) {
  return spawnSync(command, args, { cwd: root, stdio: "inherit" }).status === 0;
}

const entryPoints = sources.map((name) => join(root, "bench", name));
await build({ entryPoints, outdir: join(root, "build/bench"), format: "esm", platform: "node", target: "node20" });
// The limits of the machine, where a C compiler is there to find them.
spawnSync("cc", ["-O2", "-o", "build/bench/limits", "bench/limits.c"], {
  cwd: root,
  stdio: ["ignore", "ignore", "inherit"],
});
// What it compares with is a package of its own, so that nobody else installs it.
const hasPeers = run("npm", "ci", "--silent", "--prefix", "bench/peers");
process.exit(hasPeers && run(process.execPath, "build/bench/main.js", ...process.argv.slice(2)) ? 0 : 1);
