// Runs the tests (those that scripts/test.js takes, or all) with an addon that checks its own memory and arithmetic; with
// --valgrind, scripts/exercise.cjs under valgrind instead, which finds leaks too.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compile, root } from "./addon.js";

// Those need other addons, or look at how much memory a process has altogether.
const DEFAULT = ["!doctor", "!package/", "!ten-gibibytes"];
const directory = join(root, "build/Sanitized");
const output = `build/Sanitized/prebuilds/${process.platform}-${process.arch}/earshot.node`;
const debug = ["-g", "-O1", "-fno-omit-frame-pointer"];
const env = { ...process.env, EARSHOT_PREBUILD: directory, EARSHOT_TRANSPORT: "native" };

function library(name) {
  return execFileSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
}

function sanitize(parts) {
  compile("gcc", output, [...debug, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]);
  const reports = join(directory, "reports");
  mkdirSync(reports);
  // What a process finds is in a file, for many die in tests that expect it. Node leaves to its end thousands of blocks
  // that it never frees: looking for leaks is valgrind's part, which can tell whose they are. What is freed is kept for
  // a while, but tests look at how much memory there is.
  const options = `detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=16:log_path=${reports}/report`;
  const { status } = spawnSync(process.execPath, ["scripts/test.js", ...(parts.length > 0 ? parts : DEFAULT)], {
    cwd: root,
    env: {
      ...env,
      LD_PRELOAD: [library("libasan.so"), library("libubsan.so")].join(" "),
      ASAN_OPTIONS: options,
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${reports}/report`,
    },
    stdio: "inherit",
  });
  const found = readdirSync(reports);
  for (const name of found) console.error(readFileSync(join(reports, name), "utf8"));
  console.error(`sanitize: ${found.length} processes reported something`);
  return found.length === 0 ? status : 1;
}

function valgrind() {
  compile("gcc", output, debug);
  const options = [
    "--quiet",
    "--error-exitcode=1",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--show-leak-kinds=definite,indirect,possible",
    "--track-fds=no",
    // V8 writes the code that it runs.
    "--smc-check=all-non-file",
    "--suppressions=scripts/valgrind.supp",
  ];
  const args = [...options, process.execPath, "scripts/exercise.cjs"];
  return spawnSync("valgrind", args, { cwd: root, env, stdio: "inherit" }).status;
}

rmSync(directory, { recursive: true, force: true });
const parts = process.argv.slice(2);
const status = parts[0] === "--valgrind" ? valgrind() : sanitize(parts);
process.exit(status ?? 1);
