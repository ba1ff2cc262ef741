/** What a benchmark has found: all of it, so that tables and charts can be made again without measuring. */
export interface Results {
  /** Of this format. */
  readonly version: 1;
  /** When it began, in ISO 8601. */
  readonly date: string;
  /** How to get such results. */
  readonly command: string;
  readonly machine: Machine;
  /** How often each was measured; `warmRounds` more before that do not count. */
  readonly rounds: number;
  readonly warmRounds: number;
  /** How long each measurement takes, less what it takes to get warm. */
  readonly measureMs: number;
  readonly tables: Table[];
  /** What was measured, and how it was set. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface Machine {
  readonly node: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Of the last minute before it began: above 0.5 something else was running. */
  readonly load: number;
}

export interface Table {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly isLowerBetter: boolean;
  /** What the columns are; none where there is only one. */
  readonly axis?: string;
  readonly columns: readonly string[];
  /** By contender, for each column the results of all rounds; an empty list where it cannot be measured. */
  readonly rows: Record<string, number[][]>;
  /** What could not be measured, and why. */
  readonly notes: string[];
}

/** A single measurement of several, as the older parts of the benchmark return it. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly isLowerBetter: boolean;
  readonly results: Readonly<Record<string, number[]>>;
}

/** Of an even number of them, the lower of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

export function tableOf({ name, unit, isLowerBetter, results }: Row): Table {
  const rows = Object.fromEntries(Object.entries(results).map(([kind, numbers]) => [kind, [numbers]]));
  const id = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return { id, title: name, unit, isLowerBetter, columns: [""], rows, notes: [] };
}

/** How many times as good as the first row: above 1 it is better, also where a lower number is. */
export function ratio({ rows, isLowerBetter }: Table, name: string, column: number): number {
  const [reference = []] = Object.values(rows);
  const one = median(rows[name]?.[column] ?? []) / median(reference[column] ?? []);
  return isLowerBetter ? 1 / one : one;
}

/** Three digits that count, and no more than that. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(3);
}
