// Builds dist/: one bundle per entry (a process that answers one message should not load forty files),
// and the declarations.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

rmSync(`${root}dist`, { recursive: true, force: true });
const common = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  define: { EARSHOT_VERSION: JSON.stringify(version) },
  logLevel: "warning",
};
await build({ ...common, entryPoints: { index: "src/index.ts" }, outdir: "dist" });
// A file for each command, with what it needs of the library and nothing else: it is started for every message.
const COMMANDS = ["listen", "send", "ping", "no-command"];
await build({
  ...common,
  entryPoints: {
    cli: "src/cli/main.ts",
    ...Object.fromEntries(COMMANDS.map((name) => [`cli/${name}`, `src/cli/${name}.ts`])),
  },
  outdir: "dist",
  plugins: [
    {
      name: "commands",
      setup({ onResolve }) {
        const filter = new RegExp(`^\\./(${COMMANDS.join("|")})\\.js$`);
        onResolve({ filter }, ({ path }) => ({ path: path.replace("./", "./cli/"), external: true }));
      },
    },
  ],
});
execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${root}tsconfig.build.json`], {
  stdio: "inherit",
});
