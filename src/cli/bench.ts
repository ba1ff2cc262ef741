import { type Client, dial, EarshotError } from "../index.js";
import { COMMON_OPTIONS, parse, readBytes, readChoice, readNumber, readTimeout, UsageError } from "./arguments.js";
import { type Measurement, toJson, toText } from "./bench-report.js";
import { Ending, endBy, type SignalCode } from "./ending.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { load } from "./load.js";
import { write } from "./output.js";

export { report } from "./report.js";

const OPTIONS = {
  help: COMMON_OPTIONS.help,
  json: COMMON_OPTIONS.json,
  verbose: COMMON_OPTIONS.verbose,
  "timeout-ms": COMMON_OPTIONS["timeout-ms"],
  bytes: { type: "string" },
  "in-flight": { type: "string" },
  seconds: { type: "string" },
  lane: { type: "string" },
} as const;

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_SECONDS = 2;
const MAX_BYTES = 1_073_741_824;
const MAX_IN_FLIGHT = 65_536;
const MAX_SECONDS = 86_400;
const COLUMNS = 80;

/** What is measured: messages of so many bytes, or pings. */
interface Kind {
  readonly bytes: number | undefined;
  readonly inFlight: number;
}

/** What a machine is asked that was asked nothing else. */
const ALL_KINDS: readonly Kind[] = [
  { bytes: 64, inFlight: 1 },
  { bytes: 64, inFlight: 256 },
  { bytes: 1_048_576, inFlight: 8 },
];

type Values = Awaited<ReturnType<typeof parse<typeof OPTIONS>>>["values"];

/** `earshot bench [ADDRESS]` */
export async function run(args: readonly string[]): Promise<ExitCode | SignalCode> {
  const { values, positionals } = await parse("bench", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("bench");
  const [address, excess] = positionals;
  if (excess !== undefined) throw new UsageError(`${JSON.stringify(excess)} is one too many after ADDRESS`, "bench");
  const kinds = readKinds(values, address !== undefined);
  const durationMs = readSeconds(values.seconds) * 1_000;
  const timeoutMs = readTimeout("bench", values["timeout-ms"]) ?? DEFAULT_TIMEOUT_MS;
  const lane = readChoice("bench", "lane", values.lane, ["auto", "socket", "shared"]);
  const { json: isJson = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  const ending = new Ending(process);
  const own = address === undefined ? await startServer(kinds, lane, ending.signal) : undefined;
  try {
    const target = address ?? own?.address ?? "";
    const { signal } = ending;
    const client = await dial(target, { logger, connectTimeoutMs: timeoutMs, reconnect: false, lane, signal });
    try {
      for (const kind of kinds) {
        if (signal.aborted) break;
        const exchange = exchangeOf(client, kind);
        const { inFlight } = kind;
        const options = { address: client.address, exchange, inFlight, durationMs, timeoutMs, signal };
        await print({ ...kind, address: client.address, ...(await load(options)) }, isJson);
      }
    } finally {
      await client.close({ graceMs: 0 });
    }
  } catch (error) {
    // Who is told to end has nothing to report.
    if (ending.by === undefined) throw error;
  } finally {
    own?.stop();
  }
  return ending.by === undefined ? Exit.OK : endBy(ending.by, process);
}

/** @throws UsageError */
function readKinds(values: Values, isOther: boolean): readonly Kind[] {
  const bytes = readBytes("bench", "bytes", values.bytes);
  const inFlight = readNumber("bench", "in-flight", values["in-flight"]);
  if (bytes !== undefined && bytes > MAX_BYTES) {
    throw new UsageError(`--bytes ${values.bytes}: ${MAX_BYTES} is the most`, "bench");
  }
  if (inFlight !== undefined && (inFlight < 1 || inFlight > MAX_IN_FLIGHT)) {
    throw new UsageError(`--in-flight ${values["in-flight"]}: it is a number from 1 to ${MAX_IN_FLIGHT}`, "bench");
  }
  if (isOther) return [{ bytes, inFlight: inFlight ?? 1 }];
  if (bytes === undefined && inFlight === undefined) return ALL_KINDS;
  return [{ bytes: bytes ?? 64, inFlight: inFlight ?? 1 }];
}

/** @throws UsageError */
function readSeconds(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SECONDS;
  const seconds = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= MAX_SECONDS) return seconds;
  throw new UsageError(`--seconds ${JSON.stringify(text)}: a number up to ${MAX_SECONDS} is needed`, "bench");
}

function exchangeOf(client: Client, { bytes }: Kind): () => Promise<unknown> {
  if (bytes === undefined) return () => client.ping();
  const message = Buffer.alloc(bytes, "x");
  return () => client.send(message);
}

async function print(measurement: Measurement, isJson: boolean): Promise<void> {
  const text = isJson ? JSON.stringify(toJson(measurement)) : toText(measurement, process.stdout.columns ?? COLUMNS);
  await write(process.stdout, `${text}\n`);
}

/** Starts a server in a process of its own; resolves when it listens. */
async function startServer(kinds: readonly Kind[], lane: string | undefined, signal: AbortSignal) {
  const { fork } = await import("node:child_process");
  const address = `bench-${process.pid}`;
  const most = Math.max(...kinds.map(({ bytes = 0 }) => bytes));
  // In the bundle each program has a directory of its own.
  const program = new URL("../bench-server/bench-server.js", import.meta.url);
  const child = fork(program, [address, String(most), ...(lane === undefined ? [] : [lane])], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    detached: true,
  });
  const stop = () => {
    if (child.connected) child.disconnect();
  };
  signal.addEventListener("abort", stop, { once: true });
  await new Promise((resolve, reject) => {
    child.once("message", resolve).once("error", reject);
    child.once("exit", (code, name) => {
      const fact = `it has ended with ${name ?? `exit code ${code}`}`;
      reject(new EarshotError("START_FAILED", `Cannot start a server to measure: ${fact}`));
    });
  });
  return { address, stop };
}
