import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
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
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", fd, fd], shell: false });
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
    if (this.pid === undefined || this.#fate.kind !== "running") return;
    try {
      process.kill(-this.pid, "SIGTERM");
    } catch {
      // It is gone already.
    }
  }

  /** From now on it has nothing to do with this process. */
  [Symbol.dispose](): void {
    this.#child?.unref();
    this.#log?.[Symbol.dispose]();
  }
}

function explain(cause: unknown, { command, cwd }: CheckedStart): string {
  const program = JSON.stringify(command);
  const code = systemCode(cause);
  if (code === "ENOENT" && cwd !== undefined && !existsSync(cwd)) {
    return `its directory ${JSON.stringify(cwd)} is not there (ENOENT, option start.cwd)`;
  }
  if (code === "ENOENT") return `there is no program ${program} (ENOENT, option start.command)`;
  if (code === "EACCES") return `${program} may not be executed (EACCES); check its mode, and that it is no directory`;
  return `${program} cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`;
}
