import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { compileFixture } from "./starter.js";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A program of `test/fixtures` that takes orders (see `peer-orders.ts`), and dies with its test. */
export class Child {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Resolves when it is gone, however. */
  readonly ended: Promise<Exit>;
  /** What it says of its own accord. */
  readonly said: unknown[] = [];
  #stderr = "";
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.process = child;
    this.pid = child.pid!;
    child.setMaxListeners(0);
    this.ended = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    child.on("message", (message: object) => {
      if (!("id" in message)) this.said.push(message);
    });
  }

  /** @param execArgv flags of Node itself */
  static async start(
    t: Pick<TestContext, "after">,
    fixture: string,
    args: readonly string[] = [],
    execArgv: readonly string[] = [],
  ): Promise<Child> {
    const program = await compileFixture(t, fixture);
    return await Child.startCompiled(t, program, args, execArgv);
  }

  static async startCompiled(
    t: Pick<TestContext, "after">,
    program: string,
    args: readonly string[] = [],
    execArgv: readonly string[] = [],
  ): Promise<Child> {
    const child = new Child(
      fork(program, args, { execArgv: [...execArgv], stdio: ["ignore", "ignore", "pipe", "ipc"] }),
    );
    t.after(() => child.kill());
    await once(child.process, "spawn");
    return child;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Orders something, and resolves with the answer; rejects if the child dies before. */
  async call(what: string, details: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = new Promise<Answer>((resolve) => {
      const onMessage = (message: Answer) => {
        if (message.id !== id) return;
        this.process.off("message", onMessage);
        resolve(message);
      };
      this.process.on("message", onMessage);
    });
    this.process.send({ id, do: what, ...details }, () => {});
    const died = this.ended.then(() => ({ id, error: `the child died. ${this.#stderr}` }));
    const { value, error } = (await Promise.race([answer, died])) as Answer;
    if (error !== undefined) throw new Error(`${what}: ${error}`);
    return value;
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** Freezes it: it reads nothing, answers nothing, but the kernel still accepts for it. Resolves when it stands. */
  async freeze(): Promise<void> {
    this.process.kill("SIGSTOP");
    await until(() => / T /.test(readFileSync(`/proc/${this.pid}/stat`, "utf8")), "the child to stand still");
  }

  thaw(): void {
    this.process.kill("SIGCONT");
  }
}

/** Polls what no event tells: memory, descriptors, counters of another process. */
export async function until(isMet: () => boolean | Promise<boolean>, what: string, withinMs = 15_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isMet())) {
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms for ${what}`);
    await setTimeout(10);
  }
}

/** How many descriptors a process has open. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
