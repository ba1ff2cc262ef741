// Builds prebuilds/, the addons that come with the package, for every system that this machine has a compiler for. What it
// has none for, it says; there the addon is built when the package is installed.
import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compile, findHeaders, hasProgram, root } from "./addon.js";

const OWN = `${process.platform}-${process.arch} ${existsSync("/etc/alpine-release") ? "musl" : "glibc"}`;
/** What makes them elsewhere, and Debian's package of that. */
const TARGETS = {
  "linux-x64 glibc": ["x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"],
  "linux-x64 musl": ["x86_64-linux-musl-gcc", "musl-tools, of x86-64"],
  "linux-arm64 glibc": ["aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"],
  "linux-arm64 musl": ["aarch64-linux-musl-gcc", "musl-tools, of arm64"],
};
/** What Node 20 itself needs. */
const NEWEST_GLIBC = 28;

/** Throws if a system that has Node 20 might lack what this needs. */
function assertOldEnough(output) {
  const needs = execFileSync("readelf", ["--version-info", "--wide", output], { cwd: root, encoding: "utf8" });
  const versions = Array.from(needs.matchAll(/GLIBC_2\.(\d+)/g), ([, minor]) => Number(minor));
  const newest = Math.max(0, ...versions);
  if (newest > NEWEST_GLIBC) throw new Error(`${output} needs glibc 2.${newest}, and Node 20 only 2.${NEWEST_GLIBC}`);
  return newest > 0 ? `, for glibc 2.${newest} and newer` : "";
}

function build(target) {
  const [cross, debian] = TARGETS[target];
  const compiler = target === OWN && hasProgram("cc") ? "cc" : cross;
  if (!hasProgram(compiler)) {
    console.error(`prebuild: no ${target}, for there is no ${compiler} (Debian has it in ${debian})`);
    return;
  }
  const [system, libc] = target.split(" ");
  const output = `prebuilds/${system}/earshot.${libc}.node`;
  compile(compiler, output, ["-O2", "-Wl,--strip-all"]);
  console.error(`prebuild: ${output}${assertOldEnough(output)}`);
}

rmSync(join(root, "prebuilds"), { recursive: true, force: true });
if (findHeaders() === undefined) console.error("prebuild: nothing, for Node's headers are not here");
else for (const target of Object.keys(TARGETS)) build(target);
