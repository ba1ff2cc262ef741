// Builds the reference into docs/reference/, and fails at the first warning. TypeDoc and the TypeScript that it needs are
// a package of their own, installed when they are asked for: nothing else needs them. Arguments are TypeDoc's.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const tools = fileURLToPath(new URL("docs", import.meta.url));

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: tools, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

const installed = `${tools}/node_modules/.package-lock.json`;
const isCurrent =
  existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${tools}/package-lock.json`).mtimeMs;
if (!isCurrent) run("npm", ["ci", "--no-audit", "--no-fund"]);
run(process.execPath, ["node_modules/typedoc/bin/typedoc", "--options", "typedoc.json", ...process.argv.slice(2)]);
