import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The program as users have it. */
export const EARSHOT = `${ROOT}bin/earshot.js`;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface StartOptions extends Pick<SpawnOptions, "cwd" | "env"> {
  /** All of standard input; without it, that is empty. `"open"` leaves it to the test. */
  readonly input?: string | Uint8Array | undefined;
  /** Open files that it gets as 3, 4, ... */
  readonly descriptors?: readonly number[];
  /** Read nothing of standard output until `readStdout`. */
  readonly isStdoutUnread?: boolean;
}

/** A process that dies with its test, and with it all that it has started. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout: Buffer[] = [];
  #stderr = "";
  #hasEnded = false;
  readonly #watchers = new Set<() => void>();

  constructor(t: Pick<TestContext, "after">, command: string, args: readonly string[], options: StartOptions = {}) {
    const { input, isStdoutUnread, descriptors = [], ...rest } = options;
    // A process group of its own, so that one kill reaches all of a pipeline.
    const child = spawn(command, args, { ...rest, stdio: ["pipe", "pipe", "pipe", ...descriptors], detached: true });
    this.child = child;
    t.after(() => this.#killGroup());
    if (!isStdoutUnread) this.readStdout();
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#tell();
    });
    // A program may end without reading its input.
    child.stdin?.on("error", () => {});
    if (input !== "open") child.stdin?.end(input ?? "");
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        this.#hasEnded = true;
        this.#tell();
        resolve({ code, signal, stdout: this.stdout, stderr: this.#stderr });
      });
    });
    this.ended.catch(() => {});
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): string {
    return this.#stderr;
  }

  readStdout(): void {
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.#stdout.push(chunk);
      this.#tell();
    });
  }

  /** Resolves when standard output or error contains the text; rejects if the program ends before. */
  async says(where: "stdout" | "stderr", text: string): Promise<void> {
    await this.until(() => String(this[where]).includes(text), `its ${where} to have ${JSON.stringify(text)}`);
  }

  async until(isMet: () => boolean, what: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (isMet()) resolve();
        else if (this.#hasEnded) {
          reject(new Error(`Waited for ${what}, but it ended.\nstdout: ${this.stdout}\nstderr: ${this.#stderr}`));
        } else return;
        this.#watchers.delete(look);
      };
      this.#watchers.add(look);
      look();
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  #killGroup(): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/** Starts the built command line. */
export function earshot(t: Pick<TestContext, "after">, args: readonly string[], options?: StartOptions): Program {
  if (!existsSync(`${ROOT}dist/cli.js`))
    throw new Error("dist/cli.js is missing: run `npm run build` before the tests");
  return new Program(t, process.execPath, [EARSHOT, ...args], options);
}

/** Runs the built command line to its end. */
export function run(t: Pick<TestContext, "after">, args: readonly string[], options?: StartOptions): Promise<Ended> {
  return earshot(t, args, options).ended;
}

/** Starts `earshot listen`, and resolves when it is ready. */
export async function listening(
  t: Pick<TestContext, "after">,
  address: string,
  args: readonly string[] = [],
  options?: StartOptions,
): Promise<Program> {
  const program = earshot(t, ["listen", address, ...args], options);
  await program.says("stderr", "listening on ");
  await program.until(() => program.stderr.includes("\n"), "the whole line");
  return program;
}
