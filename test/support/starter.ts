import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, renameSync } from "node:fs";
import { open } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { temporaryDirectory } from "./temp.js";

/** What `fixtures/starter.ts` answers. */
export interface Outcome {
  readonly pid: number;
  /** `"listening"`, `"closed"`, `"trapped"`, `"changed"`, or the code of the error. */
  readonly result: string;
  readonly message?: string;
  readonly mode?: number;
}

export type Order =
  | { readonly do: "listen"; readonly path: string; readonly mode?: number; readonly umask?: number }
  | { readonly do: "close" }
  | { readonly do: "become"; readonly uid: number }
  /** At the nth call from now on of a function of node:fs, before or after it is carried out: die, or wait. */
  | {
      readonly do: "trap";
      readonly at: string;
      readonly nth: number;
      readonly when: "before" | "after";
      readonly gate?: Gate;
    };

/** Two named pipes: opening one blocks until the other side opens it, also in a process that waits synchronously. */
export interface Gate {
  readonly arrived: string;
  readonly proceed: string;
}

export function makeGate(directory: string, name: string): Gate {
  const gate = { arrived: join(directory, `${name}-arrived`), proceed: join(directory, `${name}-proceed`) };
  execFileSync("mkfifo", [gate.arrived, gate.proceed]);
  return gate;
}

export async function waitAtGate(gate: Gate): Promise<void> {
  await (await open(gate.arrived, "r")).close();
}

export async function openGate(gate: Gate): Promise<void> {
  await (await open(gate.proceed, "w")).close();
}

/** Compiles a program of `test/fixtures` to one JavaScript file, so that fifty of them start fast; any user may read it. */
export async function compileFixture(t: Pick<TestContext, "after">, name: string): Promise<string> {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const outfile = join(directory, `${name}.mjs`);
  const fixtures = join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures");
  await build({
    entryPoints: [join(fixtures, `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    // The bundle is elsewhere, and finds the addon all the same.
    define: { EARSHOT_ROOT: JSON.stringify(new URL("../../", import.meta.url).href) },
  });
  return outfile;
}

/** A process that takes socket paths when told to. It dies with the test. */
export class Starter {
  readonly child: ChildProcess;
  readonly pid: number;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.pid = child.pid!;
  }

  static async start(t: Pick<TestContext, "after">, program: string): Promise<Starter> {
    const child = fork(program, { execArgv: [] });
    t.after(() => child.kill("SIGKILL"));
    child.setMaxListeners(0);
    await once(child, "message");
    return new Starter(child);
  }

  /** Resolves with the answer, or with `undefined` if the process dies before. */
  async order(order: Order): Promise<Outcome | undefined> {
    const abort = new AbortController();
    const { signal } = abort;
    try {
      const answered = once(this.child, "message", { signal }).then(([outcome]) => outcome as Outcome);
      const died = once(this.child, "exit", { signal }).then(() => undefined);
      died.catch(() => {});
      answered.catch(() => {});
      this.child.send(order, () => {});
      return await Promise.race([answered, died]);
    } finally {
      abort.abort();
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }
}

/** Leaves the file of a dead socket at `path`, which may be too long for `bind`, over whatever is there. */
export async function leaveStaleSocket(path: string, boundAs = `${path}.dead`): Promise<void> {
  const server = createServer().listen(boundAs);
  await once(server, "listening");
  // libuv removes the name that it bound.
  renameSync(boundAs, path);
  server.close();
  await once(server, "close");
}

/** The pid that the server at `path` tells, which is a `fixtures/starter.ts`. */
export async function whoAnswers(path: string): Promise<number> {
  const socket = connect(path);
  let text = "";
  socket.setEncoding("utf8").on("data", (piece) => {
    text += piece;
  });
  await once(socket, "end");
  return Number(text);
}
