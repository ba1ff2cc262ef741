import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

/** Longer than any measurement: who takes so long is stuck. */
const LIMIT_MS = 180_000;

/** What a child says next; rejects if it ends instead, or says nothing for minutes. */
export function next(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(() => reject(new Error("no answer for 3 minutes"))), LIMIT_MS);
    const onMessage = (message: unknown) => settle(() => resolve(message));
    const onExit = (code: number | null, signal: string | null) =>
      settle(() => reject(new Error(`it has ended with ${code ?? signal}`)));
    const settle = (then: () => void) => {
      clearTimeout(timer);
      child.off("message", onMessage).off("exit", onExit);
      then();
    };
    child.once("message", onMessage).once("exit", onExit);
  });
}

/** @param program a file beside this one @param args its arguments */
export async function start(program: string, ...args: readonly string[]): Promise<ChildProcess> {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const child = fork(file, args, { execArgv: ["--expose-gc"] });
  try {
    await next(child);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return child;
}

/** Tells a child something, and resolves with the result. */
export async function ask(child: ChildProcess, order: string | object): Promise<unknown> {
  if (!child.connected) throw new Error("it has ended");
  child.send(order);
  const { result, error } = (await next(child)) as { result?: unknown; error?: string };
  if (error !== undefined) throw new Error(error);
  return result;
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGKILL");
  });
}

/** Both sides of a contender. */
export class Pair {
  readonly kind: string;
  readonly #path: string;
  #server: ChildProcess | undefined;
  #client: ChildProcess | undefined;

  /** @param path where its server listens */
  constructor(kind: string, path: string) {
    this.kind = kind;
    this.#path = path;
  }

  async start(): Promise<void> {
    // Some of them leave it behind.
    if (existsSync(this.#path)) rmSync(this.#path);
    this.#server = await start("server.js", this.kind, this.#path);
    this.#client = await start("client.js", this.kind, this.#path);
  }

  async stop(): Promise<void> {
    for (const child of [this.#client, this.#server]) if (child !== undefined) await stop(child);
  }

  /** taskset(1), for all threads; without it nothing happens. */
  pin(isOnOneCore: boolean): void {
    const cores = isOnOneCore ? "0" : `0-${cpus().length - 1}`;
    for (const child of [this.#client, this.#server]) {
      if (child?.pid !== undefined)
        spawnSync("taskset", ["-a", "-c", "-p", cores, String(child.pid)], { stdio: "ignore" });
    }
  }

  askClient(order: object): Promise<unknown> {
    return ask(this.#client as ChildProcess, order);
  }

  /** @param what `cpu`: its processor time in µs. `memory`: its resident memory in bytes. */
  async askServer(what: "cpu" | "memory"): Promise<number> {
    return Number(await ask(this.#server as ChildProcess, what));
  }
}
