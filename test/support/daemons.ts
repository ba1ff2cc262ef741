import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { StartOptions } from "../../src/index.js";
import type { DaemonOrder } from "../fixtures/daemon.js";
import { until } from "./children.js";
import { compileFixture } from "./starter.js";
import { temporaryDirectory } from "./temp.js";

type Test = Pick<TestContext, "after">;

/** `fixtures/daemon.ts`, as callers start it, and what the started ones have written down. They die with the test. */
export class Daemons {
  readonly program: string;
  readonly directory: string;
  readonly address: string;
  readonly #log: string;

  private constructor(t: Test, program: string, address: string | undefined) {
    this.program = program;
    this.directory = temporaryDirectory(t);
    this.address = address ?? join(this.directory, "s");
    this.#log = join(temporaryDirectory(t), "life");
    t.after(() => this.kill());
  }

  /** @param address default a path in a directory of its own */
  static async prepare(t: Test, address?: string): Promise<Daemons> {
    return new Daemons(t, await compileFixture(t, "daemon"), address);
  }

  start(order: Partial<DaemonOrder> = {}, options: Partial<StartOptions> = {}): StartOptions {
    const argument = JSON.stringify({ address: this.address, log: this.#log, ...order });
    return { command: process.execPath, args: [this.program, argument], ...options };
  }

  /** The processes that have come so far, in order. */
  pids(step: "begun" | "listening" | "left"): number[] {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, "utf8").split("\n");
    return lines.filter((line) => line.startsWith(`${step} `)).map((line) => Number(line.slice(step.length + 1)));
  }

  async gone(pid: number): Promise<void> {
    await until(() => !isAlive(pid), `process ${pid} to be gone`);
  }

  async kill(): Promise<void> {
    const alive = this.pids("begun").filter(isAlive);
    for (const pid of alive) process.kill(pid, "SIGKILL");
    for (const pid of alive) await this.gone(pid);
  }
}

/** A process that has ended, with all its threads, and that nobody has reaped yet does not count. */
export function isAlive(pid: number): boolean {
  try {
    const hasEnded = /^\d+ \(.*\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    return !hasEnded || readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}
