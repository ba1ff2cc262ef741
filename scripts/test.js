// Runs the tests: all of them, or those whose path contains one of the arguments, less those that contain one after a `!`.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";

const args = process.argv.slice(2);
const wanted = args.filter((part) => !part.startsWith("!"));
const unwanted = args.filter((part) => part.startsWith("!")).map((part) => part.slice(1));
const files = readdirSync("test", { recursive: true })
  .map((name) => `test/${name}`)
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .filter((name) => !unwanted.some((part) => name.includes(part)))
  .sort();
// Ten minutes: for a test, and on Node 20 for all of a file, of which the longest takes two on a busy machine. Who makes tests
// longer by variables of theirs gives them more.
const timeoutMs = 60_000 * Number(process.env.EARSHOT_TEST_MINUTES ?? 10);
const options = ["--import", "tsx", "--test", "--test-concurrency=2", `--test-timeout=${timeoutMs}`];
const env = { ...process.env };
if (env.EARSHOT_TRANSPORT === undefined && !hasAddon()) {
  console.error(
    "There is no native addon (see `earshot doctor`): what needs it is skipped, and the rest goes over node:net.",
  );
  env.EARSHOT_TRANSPORT = "net";
}
// Longer than all of it may take: a file that does not end by itself has no limit on newer Nodes.
const { status } = spawnSync(process.execPath, [...options, ...files], {
  stdio: "inherit",
  env,
  timeout: 3 * timeoutMs,
});
process.exit(status ?? 1);

function hasAddon() {
  try {
    createRequire(import.meta.url)("node-gyp-build")(new URL("..", import.meta.url).pathname);
    return true;
  } catch {
    return false;
  }
}
