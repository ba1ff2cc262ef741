import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { systemCode } from "../errors.js";
import type { StartFiles } from "../transport/starting.js";
import { StartLog } from "./start-log.js";
import type { CheckedStart } from "./start-options.js";

/** What has become of a started process. */
export type Fate =
  | { readonly kind: "running" }
  /** It could not be started at all. */
  | { readonly kind: "failed"; readonly fact: string; readonly cause: unknown }
  | { readonly kind: "ended"; readonly how: string; readonly isFailure: boolean };

/**
 * A process that outlives this one: a session of its own, no terminal, no descriptors of this process's but its log. Node
 * closes on exec all that it has, and what it was started with.
 */
export class StartedProcess implements Disposable {
  readonly #child: ChildProcess | undefined;
  readonly #log: StartLog | undefined;
  #fate: Fate = { kind: "running" };

  /** @param onFate called when its fate has changed */
  constructor(start: CheckedStart, files: StartFiles, onFate: () => void) {
    const { command, args, env, cwd, logFile } = start;
    try {
      this.#log = logFile === undefined ? StartLog.replace(files.log) : StartLog.add(logFile);
    } catch (cause) {
      const code = systemCode(cause) ?? String(cause);
      this.#fate = {
        kind: "failed",
        fact: `its log file ${JSON.stringify(logFile)} cannot be opened (${code})`,
        cause,
      };
      return;
    }
    const { fd } = this.#log;
    let child: ChildProcess;
    try {
      child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", fd, fd], shell: false });
    } catch (cause) {
      // Of the system's errors Node tells five by an event, and throws the others: E2BIG, ENOTDIR, ELOOP, ENOMEM, ...
      this.#fate = { kind: "failed", fact: explain(cause, start), cause };
      return;
    }
    this.#child = child;
    child.on("error", (cause) => {
      // Later ones are of signals that find nobody.
      if (child.pid === undefined) this.#fate = { kind: "failed", fact: explain(cause, start), cause };
      onFate();
    });
    child.on("exit", (code, signal) => {
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      this.#fate = { kind: "ended", how, isFailure: code !== 0 };
      onFate();
    });
  }

  get fate(): Fate {
    return this.#fate;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last it has said, as the end of a sentence. */
  get lastWords(): string {
    const text = this.#log?.tail() ?? "";
    const where = this.#log?.path === undefined ? "" : ` (all of it is in ${JSON.stringify(this.#log.path)})`;
    return text === "" ? "it has said nothing" : `the last it has said${where}:\n${text}`;
  }

  /** It, and what it has started. */
  terminate(): void {
    if (this.pid !== undefined && this.#fate.kind === "running") terminateGroup(this.pid);
  }

  /** From now on it has nothing to do with this process. */
  [Symbol.dispose](): void {
    this.#child?.unref();
    this.#log?.[Symbol.dispose]();
  }
}

/** Whether there is such a process, of this user. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A process that was started with a session of its own, and what it has started. */
export function terminateGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It is gone already.
  }
}

function explain(cause: unknown, { command, cwd }: CheckedStart): string {
  const program = JSON.stringify(command);
  const code = systemCode(cause);
  if ((code === "ENOENT" || code === "ENOTDIR") && cwd !== undefined && !isDirectory(cwd)) {
    const what = existsSync(cwd) ? "is no directory" : "is not there";
    return `its directory ${JSON.stringify(cwd)} ${what} (${code}, option start.cwd)`;
  }
  if (code === "ENOTDIR") return `of the path of ${program} a part is no directory (ENOTDIR, option start.command)`;
  if (code === "E2BIG") return "the system takes no arguments and environment as large as these (E2BIG)";
  if (code === "ENOENT") return `there is no program ${program} (ENOENT, option start.command)`;
  if (code === "EACCES") return `${program} may not be executed (EACCES); check its mode, and that it is no directory`;
  return `${program} cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
