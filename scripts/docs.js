// Builds the reference into docs/reference/, and fails at the first warning. TypeDoc and the TypeScript that it needs are
// a package of their own, installed here when they are asked for: nothing else needs them.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";

const root = new URL("..", import.meta.url).pathname;
const tools = `${root}scripts/docs`;
const run = (command, args) => execFileSync(command, args, { cwd: tools, stdio: "inherit" });

const installed = `${tools}/node_modules/.package-lock.json`;
const isCurrent =
  existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${tools}/package-lock.json`).mtimeMs;
if (!isCurrent) run("npm", ["ci", "--no-audit", "--no-fund"]);
run(process.execPath, ["node_modules/typedoc/bin/typedoc", "--options", "typedoc.json", ...process.argv.slice(2)]);
