import { setTimeout } from "node:timers/promises";
import { type DeadLetter, type Outbox, openOutbox } from "../outbox/index.js";
import { COMMON_OPTIONS, checkVoice, parse, readTimeout, takePositionals, UsageError } from "./arguments.js";
import { EXIT_OF_ERROR, Exit, type ExitCode } from "./exit-codes.js";
import { toLine, write } from "./output.js";
import { TimeLimit } from "./time-limit.js";

export { report } from "./report.js";

const OPTIONS = {
  ...COMMON_OPTIONS,
  outbox: { type: "string" },
  id: { type: "string" },
  key: { type: "string" },
  header: { type: "string", multiple: true },
  "expires-ms": { type: "string" },
  "delay-ms": { type: "string" },
  durability: { type: "string" },
  "no-wait": { type: "boolean" },
} as const;

const DEFAULT_TIMEOUT_MS = 5_000;
/** What becomes of a message that another process delivers, no event tells. */
const LOOK_MS = 20;

/** `earshot post ADDRESS [MESSAGE] --outbox DIR` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("post", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("post");
  const [address, text] = takePositionals("post", positionals, ["ADDRESS", "MESSAGE"]);
  checkVoice("post", values);
  const { outbox: directory, id, key, durability, json: isJson = false, quiet: isQuiet = false } = values;
  if (directory === undefined) throw new UsageError("--outbox DIR is missing: where to keep the message", "post");
  const limit = readTimeout("post", values["timeout-ms"]) ?? DEFAULT_TIMEOUT_MS;
  const expiresMs = readMs("expires-ms", values["expires-ms"]);
  const delayMs = readMs("delay-ms", values["delay-ms"]);
  const headers = readHeaders(values.header);
  const message = text ?? (await readInput());
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  const deliver = values["no-wait"] !== true;
  // What is no durability is refused by the outbox, by name.
  const options = { address, durability: durability as "process" | "power" | undefined, logger };
  const outbox = await openOutbox(directory, deliver ? { ...options, dial: { logger } } : { ...options, deliver });
  try {
    const expiresAt = expiresMs === undefined ? undefined : Date.now() + expiresMs;
    const posted = await outbox.post(message, { id, key, headers, expiresAt, delayMs });
    const time = new TimeLimit(limit);
    const state = deliver ? await outcome(outbox, posted.id, time) : "kept";
    return await tell(posted.id, state, isJson, isQuiet);
  } finally {
    await outbox.close({ graceMs: 0 });
  }
}

/** What has become of it when the time is over. */
async function outcome(outbox: Outbox, id: string, time: TimeLimit): Promise<"delivered" | "kept" | DeadLetter> {
  while (outbox.has(id)) {
    if (time.leftMs <= LOOK_MS) return "kept";
    await setTimeout(LOOK_MS);
  }
  return outbox.deadLetters.get(id) ?? "delivered";
}

async function tell(
  id: string,
  state: "delivered" | "kept" | DeadLetter,
  isJson: boolean,
  isQuiet: boolean,
): Promise<ExitCode> {
  if (typeof state === "object") {
    const { code, message } = state.reason;
    const known = code === "EXPIRED" ? "TIMEOUT" : code;
    if (isJson) await write(process.stderr, `${JSON.stringify({ ok: false, id, code, message })}\n`);
    else await write(process.stderr, `earshot: ${toLine(id)} is a dead letter (${code}): ${toLine(message)}\n`);
    return EXIT_OF_ERROR[known];
  }
  if (isJson) await write(process.stdout, `${JSON.stringify({ ok: true, id, delivered: state === "delivered" })}\n`);
  else if (!isQuiet) await write(process.stdout, `${toLine(id)} ${state}\n`);
  return Exit.OK;
}

async function readInput(): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return Buffer.concat(pieces);
}

function readMs(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} ${JSON.stringify(text)}: a whole number of milliseconds is needed`, "post");
}

function readHeaders(texts: readonly string[] | undefined): Record<string, string> | undefined {
  if (texts === undefined) return undefined;
  const pairs = texts.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new UsageError(`--header ${JSON.stringify(text)}: it is NAME=VALUE`, "post");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs);
}
