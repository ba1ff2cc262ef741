import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Point, Workload } from "./workloads.js";

export const LIMITS_SETTINGS = {
  "C, blocking sockets": "bench/limits.c: two processes, one message after the other, no framing: the limit of sockets",
  "C, memcpy": "bench/limits.c: the same memory copied again and again: the limit of whatever copies once",
};

/** bench/limits.c, where a C compiler is there: rows of some tables. */
export class Limits {
  readonly #program = fileURLToPath(new URL("limits", import.meta.url));
  readonly isHere = existsSync(this.#program);

  measure({ id }: Workload, { task }: Point, ms: number): [name: string, values: Readonly<Record<string, number>>][] {
    if (!this.isHere) return [];
    if (id === "round-trip") return [["C, blocking sockets", this.#run("round-trip", task.bytes, ms)]];
    if (id !== "bulk") return [];
    return [
      ["C, blocking sockets", this.#run("bulk", task.bytes, ms)],
      ["C, memcpy", this.#run("memcpy", task.bytes, ms)],
    ];
  }

  #run(what: string, bytes: number, ms: number): Readonly<Record<string, number>> {
    const { status, stdout } = spawnSync(this.#program, [what, String(bytes), String(ms)], { encoding: "utf8" });
    return status === 0 ? JSON.parse(stdout) : {};
  }
}
