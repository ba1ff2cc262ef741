// Runs the soak: everything at once, for ten minutes or as long as `--minutes N` or `--hours N` say. See bench/soak/main.ts.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = readdirSync(join(root, "bench/soak"))
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join(root, "bench/soak", name));
const outdir = join(root, "build/soak");
await build({ entryPoints: sources, outdir, format: "esm", platform: "node", target: "node20" });
const { status } = spawnSync(process.execPath, [join(outdir, "main.js"), ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exit(status ?? 1);
