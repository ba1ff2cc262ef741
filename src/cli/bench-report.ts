import type { Latencies } from "./latencies.js";
import type { LoadResult } from "./load.js";

/** What was measured. */
export interface Measurement extends LoadResult {
  readonly address: string;
  /** Of each message; `undefined` for pings. */
  readonly bytes: number | undefined;
  readonly inFlight: number;
}

const ROWS = 14;
const LABEL = 12;
const MOST_COLUMNS = 100;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** One object, for programs. */
export function toJson({ address, bytes, inFlight, latencies, seconds }: Measurement): object {
  const { count } = latencies;
  const perSecond = count / seconds;
  return {
    ok: true,
    address,
    what: bytes === undefined ? "ping" : "message",
    bytes,
    inFlight,
    seconds,
    count,
    perSecond,
    bytesPerSecond: bytes === undefined ? undefined : perSecond * bytes,
    latencyUs: {
      min: latencies.quantile(0),
      p50: latencies.quantile(0.5),
      p90: latencies.quantile(0.9),
      p99: latencies.quantile(0.99),
      p999: latencies.quantile(0.999),
      max: latencies.quantile(1),
    },
    histogramUs: Array.from(latencies.buckets()),
  };
}

/** For somebody to read, in so many columns. */
export function toText(measurement: Measurement, columns: number): string {
  const { bytes, inFlight, latencies, seconds } = measurement;
  const what = bytes === undefined ? "pings" : `messages of ${formatBytes(bytes)}`;
  const head = `${what}, ${inFlight.toLocaleString("en-US")} in flight, for ${seconds.toFixed(1)} s`;
  if (latencies.count === 0) return `${head}\n\n  none has come back\n`;
  const width = Math.min(columns, MOST_COLUMNS);
  return `${head}\n\n${histogram(latencies, width)}\n\n${percentiles(latencies)}\n${throughput(measurement)}\n`;
}

function percentiles(latencies: Latencies): string {
  const named = [
    ["median", 0.5],
    ["90%", 0.9],
    ["99%", 0.99],
    ["99.9%", 0.999],
    ["longest", 1],
  ] as const;
  return `  ${named.map(([name, part]) => `${name} ${formatUs(latencies.quantile(part))}`).join("   ")}`;
}

function throughput({ bytes, latencies, seconds }: Measurement): string {
  const perSecond = latencies.count / seconds;
  const rate = `  ${Math.round(perSecond).toLocaleString("en-US")} a second`;
  return bytes === undefined ? rate : `${rate}, ${formatBytes(perSecond * bytes)}/s`;
}

/** Rows at equal ratios, up to where 99.9% are; the rest is the last one. */
function histogram(latencies: Latencies, columns: number): string {
  const least = latencies.quantile(0);
  const most = Math.max(latencies.quantile(0.999), least * 1.02);
  const step = (most / least) ** (1 / (ROWS - 1));
  const counts = new Array<number>(ROWS).fill(0);
  for (const [us, count] of latencies.buckets()) {
    const row =
      us > most ? ROWS - 1 : Math.min(ROWS - 2, Math.max(0, Math.floor(Math.log(us / least) / Math.log(step))));
    counts[row] = (counts[row] ?? 0) + count;
  }
  const fullest = Math.max(...counts);
  const room = Math.max(10, columns - LABEL - 12);
  const lines = counts.map((count, row) => {
    const label = row === ROWS - 1 ? `> ${formatUs(most)}` : formatUs(least * step ** row);
    const share = ((count / latencies.count) * 100).toFixed(1);
    return `${label.padStart(LABEL)}  ${bar((count / fullest) * room)} ${count === 0 ? "" : `${share}%`}`.trimEnd();
  });
  return lines.join("\n");
}

/** To an eighth of a column. What is there is seen, however little it is. */
function bar(length: number): string {
  if (length <= 0) return "";
  const eighths = Math.max(1, Math.round(length * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}

export function formatUs(us: number): string {
  if (us < 999.5) return `${us.toPrecision(3)} µs`;
  if (us < 999_500) return `${(us / 1_000).toPrecision(3)} ms`;
  return `${(us / 1_000_000).toPrecision(3)} s`;
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_023.5 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || Number.isInteger(value) ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}
