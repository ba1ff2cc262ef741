// Builds dist/: the library, a directory for each command (a process that sends one message should not load forty
// files), and the declarations. What is only needed at times is in a chunk of its own.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

function bundle(entry, outdir, options = {}) {
  const up = outdir.split("/").map(() => "..");
  return build({
    absWorkingDir: root,
    entryPoints: entry,
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    define: { EARSHOT_VERSION: JSON.stringify(version), EARSHOT_ROOT: JSON.stringify(up.join("/")) },
    logLevel: "warning",
    ...options,
  });
}

const COMMANDS = [
  "listen",
  "send",
  "ping",
  "bench",
  "bench-server",
  "doctor",
  "describe",
  "call",
  "post",
  "outbox",
  "completion",
  "complete",
  "no-command",
];
const commands = {
  name: "commands",
  setup({ onResolve }) {
    const filter = new RegExp(`^\\./(${COMMANDS.join("|")})\\.js$`);
    onResolve({ filter }, ({ path }) => {
      const name = path.slice("./".length, -".js".length);
      return { path: `./cli/${name}/${name}.js`, external: true };
    });
  },
};

/** What only listens is no part of a command that only dials, and would drag half of the library along. */
const dialingOnly = {
  name: "dialing-only",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/(unix|net)-listener\.js$/ }, ({ path }) => ({ path, external: true }));
  },
};
const DIALING = ["send", "ping", "bench", "describe", "call", "completion", "complete", "no-command"];

rmSync(`${root}dist`, { recursive: true, force: true });
// Together, so that what both need is one chunk: an error of one is an error of the other.
await bundle({ index: "src/index.ts", contract: "src/contract/index.ts", outbox: "src/outbox/index.ts" }, "dist");
await bundle({ cli: "src/cli/main.ts" }, "dist", { plugins: [commands] });
for (const name of COMMANDS) {
  const plugins = DIALING.includes(name) ? [dialingOnly] : [];
  await bundle([`src/cli/${name}.ts`], `dist/cli/${name}`, { plugins, minifyWhitespace: true });
}
execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${root}tsconfig.build.json`], {
  stdio: "inherit",
});
