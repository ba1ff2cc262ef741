import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PAGE_BYTES = 4_096;

/** One process of the soak, which may be killed and started again. */
export class Party {
  readonly name: string;
  /** What it keeps on the disk. */
  readonly directory: string;
  readonly #program: string;
  readonly #order: object;
  #child: ChildProcess | undefined;
  #isKilled = false;
  kills = 0;

  constructor(name: string, program: string, order: object, directory: string) {
    this.name = name;
    this.directory = directory;
    this.#program = program;
    this.#order = order;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const program = fileURLToPath(new URL(`${this.#program}.js`, import.meta.url));
    const child = fork(program, [JSON.stringify(this.#order)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child = child;
    this.#isKilled = false;
    child.once("exit", (code, signal) => {
      if (this.#child === child && !this.#isKilled) throw new Error(`${this.name} ended by itself: ${code ?? signal}`);
    });
    await once(child, "message");
  }

  async kill(): Promise<void> {
    this.#isKilled = true;
    this.kills++;
    const child = this.#running();
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  /** Lets it come to its end, and resolves with what it has to say. */
  async finish<T>(): Promise<T> {
    const child = this.#running();
    child.send("finish");
    const [said] = (await once(child, "message")) as [T];
    return said;
  }

  measure(): Measure {
    const { pid } = this.#running();
    const resident = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1];
    return {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      memoryBytes: Number(resident) * PAGE_BYTES,
      diskBytes: usedBytes(this.directory),
    };
  }

  #running(): ChildProcess {
    if (this.#child === undefined) throw new Error(`${this.name} was not started`);
    return this.#child;
  }
}

export interface Measure {
  readonly descriptors: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

function usedBytes(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory)) {
    const { blocks, isFile } = describe(join(directory, name));
    if (isFile) bytes += blocks * 512;
  }
  return bytes;
}

function describe(path: string): { readonly blocks: number; readonly isFile: boolean } {
  try {
    const stats = statSync(path);
    return { blocks: stats.blocks, isFile: stats.isFile() };
  } catch {
    return { blocks: 0, isFile: false };
  }
}
