import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadNative, type Native, SOCK_STREAM } from "../../src/native/binding.js";
import { type Ended, Program, ROOT } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { require } from "../support/tools.js";

const loaded = loadNative();

/** A test of the addon: skipped where there is none, or failed if it may not be skipped. */
export function testNative(name: string, body: (t: TestContext, native: Native) => void | Promise<void>): void {
  test(name, { timeout: 120_000 }, async (t) => {
    const native = "native" in loaded ? loaded.native : undefined;
    if (!require(t, native !== undefined, "there is no addon") || native === undefined) return;
    await body(t, native);
  });
}

/** Two connected sockets, and who listens; all are closed after the test if it has not done so. */
export function connected(t: TestContext, native: Native) {
  const address = Buffer.from(join(temporaryDirectory(t), "s"));
  const listening = ours(t, native, native.socket(SOCK_STREAM));
  native.bind(listening, address);
  native.listen(listening, 16);
  const near = ours(t, native, native.socket(SOCK_STREAM));
  native.connect(near, address);
  const far = ours(t, native, native.accept(listening));
  return { address, listening, near, far };
}

/** Closes it after the test. */
export function ours(t: TestContext, native: Native, fd: number): number {
  t.after(() => {
    try {
      native.close(fd);
    } catch {
      // The test closed it.
    }
  });
  return fd;
}

/** What a call throws: its name, and `code` and `syscall`. */
export function failure(call: () => unknown): { code?: string; syscall?: string; name?: string } {
  try {
    call();
  } catch (error) {
    const { code, syscall, name } = error as NodeJS.ErrnoException;
    return syscall === undefined ? { name: `${name}`, code: `${code}` } : { code: `${code}`, syscall };
  }
  return {};
}

export function descriptors(): number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

/** What is open that was not. Some of what was may be gone: it was the loader's. */
export function openedSince(before: readonly number[]): number[] {
  return descriptors().filter((fd) => !before.includes(fd));
}

/** What open(2) was given, as the kernel tells: O_CLOEXEC, O_NONBLOCK. */
export function flagsOf(fd: number): { isCloseOnExec: boolean; isNonBlocking: boolean } {
  const [, octal = ""] = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
  const flags = Number.parseInt(octal, 8);
  return { isCloseOnExec: (flags & 0o2000000) !== 0, isNonBlocking: (flags & 0o4000) !== 0 };
}

/** What tests of other processes and threads begin with; `native` is the addon of that one. */
export const PRELUDE = `
const addon = ${JSON.stringify("native" in loaded ? addonPath() : "")};
const native = require(addon);
const { readdirSync } = require("node:fs");
const descriptors = () => readdirSync("/proc/self/fd").length;
function connected(path) {
  const listening = native.socket(1);
  native.bind(listening, Buffer.from(path));
  native.listen(listening, 16);
  const near = native.socket(1);
  native.connect(near, Buffer.from(path));
  return { listening, near, far: native.accept(listening) };
}
`;

function addonPath(): string {
  const { resolve } = createRequire(import.meta.url)("node-gyp-build") as { resolve(root: string): string };
  return resolve(ROOT);
}

/** Runs a program that has the addon to its end; its arguments begin at `process.argv[1]`. */
export function runProgram(t: TestContext, code: string, args: readonly string[] = [], wrap = "exec"): Promise<Ended> {
  const command = `${wrap} "$0" "$@"`;
  return new Program(t, "sh", ["-c", command, process.execPath, "-e", PRELUDE + code, ...args]).ended;
}

/** A process of another program that lives until it is killed. */
export function startProgram(t: TestContext, command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => void child.kill("SIGKILL"));
  return child;
}

export function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** Collects garbage until something is so; a part of that is done by other threads. */
export async function until(gc: () => void, isMet: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!isMet() && performance.now() < deadline) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(isMet(), true);
}
