import { join } from "node:path";
import { Pair } from "./children.js";
import { CONTENDERS, type Sides } from "./contenders.js";
import type { Limits } from "./limits.js";
import type { Table } from "./results.js";
import type { Measured, Task } from "./tasks.js";
import type { Point, Workload } from "./workloads.js";

export interface Plan {
  readonly directory: string;
  /** Names of contenders, in the order of the tables. */
  readonly contenders: readonly string[];
  readonly limits: Limits;
  readonly rounds: number;
  /** Those before, which do not count. */
  readonly warmRounds: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

const WARM_CONNECTIONS = 50;

type Values = Readonly<Record<string, number>>;

/** Runs one workload: every contender at every point, in turns, so that what else the machine does falls on all alike. */
export class WorkloadRun {
  readonly #plan: Plan;
  readonly #workload: Workload;
  readonly #sides = new Map<string, Sides>();
  readonly #pairs = new Map<string, Pair>();
  readonly #tables: readonly Table[];
  /** Who has failed at which point. */
  readonly #failed = new Set<string>();

  constructor(plan: Plan, workload: Workload) {
    this.#plan = plan;
    this.#workload = workload;
    this.#tables = workload.tables.map(({ name, unit, isLowerBetter }) => ({
      id: name === "" ? workload.id : `${workload.id}-${name.replaceAll(/[^a-z0-9]+/g, "-")}`,
      title: [workload.title, name].filter((part) => part !== "").join(", "),
      unit,
      isLowerBetter,
      axis: workload.axis,
      columns: workload.points.map(({ label }) => label),
      rows: {},
      notes: [],
    }));
  }

  /** @returns a table for each value that it measures */
  async run(): Promise<readonly Table[]> {
    const { contenders, limits, rounds, warmRounds } = this.#plan;
    for (const name of contenders) {
      const contender = CONTENDERS[name];
      if (contender === undefined || (contender.isForLarge && !this.#workload.isLarge)) continue;
      if (this.#workload.only !== undefined && this.#workload.only !== name) continue;
      this.#sides.set(name, await contender.load());
      for (const table of this.#tables) table.rows[name] = this.#workload.points.map(() => []);
    }
    try {
      for (const [index, point] of this.#workload.points.entries()) {
        if (point.isFresh) await this.#stopAll();
        for (let round = 0; round < warmRounds + rounds; round++) {
          for (const [name, sides] of this.#sides) {
            const values = await this.#measureOrNote(name, sides, point);
            if (round >= warmRounds) this.#keep(name, index, values);
          }
          if (round >= warmRounds) {
            for (const [name, values] of limits.measure(this.#workload, point, this.#plan.measureMs)) {
              this.#keep(name, index, values);
            }
          }
        }
      }
    } finally {
      await this.#stopAll();
    }
    return this.#tables;
  }

  async #stopAll(): Promise<void> {
    for (const pair of this.#pairs.values()) await pair.stop();
    this.#pairs.clear();
  }

  #keep(name: string, column: number, values: Values | undefined): void {
    for (const [index, table] of this.#tables.entries()) {
      const value = values?.[this.#workload.tables[index]?.value ?? ""];
      table.rows[name] ??= this.#workload.points.map(() => []);
      if (value !== undefined) table.rows[name][column]?.push(value);
    }
  }

  async #measureOrNote(name: string, sides: Sides, { label, task, isFresh }: Point): Promise<Values | undefined> {
    const { isOwnServer = false, largestBytes = Number.POSITIVE_INFINITY } = sides;
    if (task.bytes > largestBytes || (isOwnServer && (task.connections > 1 || task.idle > 0))) return undefined;
    if (this.#failed.has(`${name} ${label}`)) return undefined;
    try {
      const values = await this.#measure(name, sides, task);
      if (isFresh) await this.#stopAll();
      return values;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#failed.add(`${name} ${label}`);
      this.#tables[0]?.notes.push(`${name}${label === "" ? "" : `, ${label}`}: ${why}`);
      await this.#pairs.get(name)?.stop();
      this.#pairs.delete(name);
      return undefined;
    }
  }

  async #measure(name: string, { isOwnServer = false }: Sides, point: Point["task"]): Promise<Values> {
    const { warmMs, measureMs } = this.#plan;
    const task: Task = { ...point, warmMs, measureMs };
    const pair = await this.#pairOf(name);
    if (task.kind === "hold") return { memoryBytes: await holdConnections(pair, task) };
    await pair.askClient({ do: "prepare", task });
    const before = isOwnServer ? 0 : await pair.askServer("cpu");
    const { values, cpuUs, messages } = (await pair.askClient({ do: "measure" })) as Measured;
    const after = isOwnServer ? 0 : await pair.askServer("cpu");
    await pair.askClient({ do: "finish" });
    return { ...values, cpuUs: (cpuUs + after - before) / messages };
  }

  async #pairOf(name: string): Promise<Pair> {
    const known = this.#pairs.get(name);
    if (known !== undefined) return known;
    const number = Object.keys(CONTENDERS).indexOf(name);
    const pair = new Pair(name, join(this.#plan.directory, `${this.#workload.id}-${number}`));
    // Before it starts, so that what has started ends whatever happens.
    this.#pairs.set(name, pair);
    await pair.start();
    if (this.#workload.isOnOneCore) pair.pin(true);
    return pair;
  }
}

/** What the server grows by for each, in bytes. Some come before, so that what its code costs is not counted. */
async function holdConnections(pair: Pair, task: Task): Promise<number> {
  await pair.askClient({ do: "prepare", task: { ...task, connections: WARM_CONNECTIONS } });
  await pair.askClient({ do: "finish" });
  const before = await pair.askServer("memory");
  await pair.askClient({ do: "prepare", task });
  const after = await pair.askServer("memory");
  await pair.askClient({ do: "finish" });
  return Math.max(0, after - before) / task.connections;
}
