import { type AnyApi, connectAny, type ProcedureDescription } from "../contract/index.js";
import { EarshotError } from "../index.js";
import { COMMON_OPTIONS, checkVoice, parse, readBytes, readTimeout, takePositionals, UsageError } from "./arguments.js";
import { CallInput, findProcedure } from "./call-input.js";
import { Ending, endBy, type SignalCode } from "./ending.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { write } from "./output.js";
import { TimeLimit } from "./time-limit.js";
import { toJson } from "./values.js";

export { report } from "./call-report.js";

const OPTIONS = {
  ...COMMON_OPTIONS,
  header: { type: "string", multiple: true },
  "max-message-bytes": { type: "string" },
} as const;

/** How long a server may take to let this side in and say what it has, unless there is another limit. */
const DEFAULT_CONNECT_MS = 5_000;
const DEFAULT_MAX_BYTES = 67_108_864;
/** How long the server may take to be told that nobody waits any more. */
const FAREWELL_MS = 1_000;

interface Call {
  readonly address: string;
  readonly name: string;
  readonly argument: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly limitMs: number | undefined;
  readonly maxBytes: number;
  readonly isJson: boolean;
  readonly mayHint: boolean;
}

/** `earshot call ADDRESS PROCEDURE [JSON|-]` */
export async function run(args: readonly string[]): Promise<ExitCode | SignalCode> {
  const { values, positionals } = await parse("call", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("call");
  const [address, name, argument] = takePositionals("call", positionals, ["ADDRESS", "PROCEDURE", "JSON"]);
  if (name === undefined) {
    throw new UsageError("the PROCEDURE is missing; `earshot describe ADDRESS` tells which there are", "call");
  }
  checkVoice("call", values);
  const { json: isJson = false, quiet: isQuiet = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;
  const call: Call = {
    address,
    name,
    argument,
    headers: readHeaders(values.header),
    limitMs: readTimeout("call", values["timeout-ms"]),
    maxBytes: readBytes("call", "max-message-bytes", values["max-message-bytes"]) ?? DEFAULT_MAX_BYTES,
    isJson,
    mayHint: !isQuiet && !isJson,
  };

  const ending = new Ending(process);
  const { signal } = ending;
  const time = new TimeLimit(call.limitMs ?? DEFAULT_CONNECT_MS);
  const limits = { connectTimeoutMs: call.limitMs, timeoutMs: time.leftMs, maxMessageBytes: call.maxBytes };
  let api: AnyApi | undefined;
  try {
    api = await connectAny(address, { ...limits, logger, signal });
    await Promise.race([perform(api, call, time, signal), aborted(signal)]);
    return Exit.OK;
  } catch (error) {
    if (ending.by === undefined) throw error;
  } finally {
    await Promise.race([api?.client.close({ graceMs: FAREWELL_MS }), ending.forced]);
  }
  return endBy(ending.by, process);
}

/** @throws UsageError */
function readHeaders(texts: readonly string[] | undefined): Call["headers"] {
  if (texts === undefined) return undefined;
  const pairs = texts.map((text) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name !== undefined && value !== undefined) return [name, value] as const;
    throw new UsageError(`--header ${JSON.stringify(text)}: a name, =, and a value are needed`, "call");
  });
  return Object.fromEntries(pairs);
}

/** Rejects when it aborts: what is waited for may be a reader who does not read. */
async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  throw new EarshotError("CANCELLED", "a signal ended it", { op: "call" });
}

async function perform(api: AnyApi, call: Call, time: TimeLimit, signal: AbortSignal): Promise<void> {
  const { name, argument, headers, limitMs, maxBytes, mayHint } = call;
  const procedure = await findProcedure(api, name);
  // Who types takes time, which is not the server's.
  const leftMs = limitMs === undefined ? 0 : time.leftMs;
  const input = await CallInput.open(procedure, argument, { stdin: process.stdin, maxBytes, mayHint });
  const options = { headers, timeoutMs: leftMs, signal, items: input.items };
  try {
    if (isStreamed(procedure)) await printItems(api.stream(name, input.input, options), call);
    else await printOutput(await api.call(name, input.input, options), call);
  } catch (error) {
    throw input.failure ?? error;
  }
}

function isStreamed({ kind }: ProcedureDescription): boolean {
  return kind === "server stream" || kind === "bidirectional";
}

/** Each item when it is there; the next is asked for when this one is out of our hands. */
async function printItems(items: AsyncIterable<unknown>, { isJson }: Call): Promise<void> {
  let count = 0;
  for await (const item of items) {
    count++;
    await write(process.stdout, `${toJson(isJson ? { item } : item)}\n`);
  }
  if (isJson) await write(process.stdout, `${toJson({ ok: true, items: count })}\n`);
}

async function printOutput(output: unknown, { isJson }: Call): Promise<void> {
  if (isJson) {
    await write(process.stdout, `${toJson({ ok: true, output })}\n`);
  } else if (output !== undefined) {
    await write(process.stdout, `${toJson(output, process.stdout.isTTY ? 2 : undefined)}\n`);
  }
}
