import { isUtf8 } from "node:buffer";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EarshotError } from "../index.js";
import { type DeadLetter, type Outbox, type OutboxMessage, openOutbox } from "../outbox/index.js";
import { checkVoice, parse, UsageError } from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { toLine, write } from "./output.js";

export { report } from "./report.js";

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
  quiet: { type: "boolean" },
  all: { type: "boolean" },
} as const;

interface Order {
  readonly outbox: Outbox;
  readonly id: string | undefined;
  readonly all: boolean;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
}

const ACTIONS: ReadonlyMap<string, (order: Order) => Promise<ExitCode>> = new Map([
  ["list", list],
  ["show", show],
  ["retry", retry],
  ["drop", drop],
  ["stats", stats],
]);
const NAMES = [...ACTIONS.keys()];

/** `earshot outbox list|show|retry|drop|stats DIR [ID]` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("outbox", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("outbox");
  const [name = "", directory, id, excess] = positionals;
  const act = ACTIONS.get(name);
  if (act === undefined) throw new UsageError(`${JSON.stringify(name)}: it is one of ${NAMES.join(", ")}`, "outbox");
  if (directory === undefined) throw new UsageError("the DIR is missing", "outbox");
  if (excess !== undefined) throw new UsageError(`${JSON.stringify(excess)} is one too many after the ID`, "outbox");
  checkVoice("outbox", values);
  const { json: isJson = false, quiet: isQuiet = false, all = false } = values;
  if ((name === "list" || name === "stats") && id !== undefined)
    throw new UsageError(`${JSON.stringify(id)} is one too many after the DIR`, "outbox");
  if ((name === "retry" || name === "drop") && (id === undefined) !== all)
    throw new UsageError(`which dead letter? Give its ID, or --all, but not both`, "outbox");
  if (name === "show" && id === undefined) throw new UsageError("the ID is missing", "outbox");
  // Looking at what is not there shall not make it.
  if (!existsSync(join(directory, "data.mdb")))
    throw new EarshotError("INVALID_ARGUMENT", `Cannot open ${JSON.stringify(directory)}: there is no outbox`);
  const outbox = await openOutbox(directory, { deliver: false });
  try {
    return await act({ outbox, id, all, isJson, isQuiet });
  } finally {
    await outbox.close();
  }
}

async function list({ outbox, isJson }: Order): Promise<ExitCode> {
  for (const message of outbox.messages()) await print(message, isJson);
  for (const letter of outbox.deadLetters.list()) await print(letter, isJson);
  return Exit.OK;
}

async function print(message: OutboxMessage | DeadLetter, isJson: boolean): Promise<void> {
  if (isJson) {
    await write(process.stdout, `${JSON.stringify(facts(message))}\n`);
    return;
  }
  const { id, key, attempts, data, postedAt, lastError } = message;
  const state = "reason" in message ? `dead ${message.reason.code}` : `pending ${lastError?.code ?? ""}`.trim();
  const words = [id, state, `attempts ${attempts}`, `${data.length} bytes`, postedAt.toISOString()];
  if (key !== undefined) words.push(`key ${key}`);
  await write(process.stdout, `${words.map(toLine).join("  ")}\n`);
}

async function show({ outbox, id = "", isJson }: Order): Promise<ExitCode> {
  const message = outbox.message(id) ?? outbox.deadLetters.get(id);
  if (message === undefined)
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use ID: ${JSON.stringify(id)}; there is no such message`);
  if (isJson) {
    await write(process.stdout, `${JSON.stringify({ ...facts(message), ...content(message.data) })}\n`);
    return Exit.OK;
  }
  const lines = Object.entries(facts(message))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${toLine(typeof value === "string" ? value : JSON.stringify(value))}`);
  const { text, base64 } = content(message.data);
  await write(process.stdout, `${lines.join("\n")}\n\n`, text ?? `${base64}`, "\n");
  return Exit.OK;
}

function facts(message: OutboxMessage | DeadLetter) {
  const { id, key, headers, attempts, data, postedAt, dueAt, expiresAt, lastError } = message;
  const reason = "reason" in message ? message.reason : undefined;
  const state = reason === undefined ? "pending" : "dead";
  const details = { headers: Object.keys(headers).length === 0 ? undefined : headers, lastError, reason };
  return {
    id,
    state,
    key,
    bytes: data.length,
    attempts,
    postedAt: postedAt.toISOString(),
    dueAt,
    expiresAt,
    ...details,
  };
}

function content(data: Uint8Array): { readonly text?: string; readonly base64?: string } {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  return isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString("base64") };
}

async function retry(order: Order): Promise<ExitCode> {
  const { outbox, id } = order;
  return await count(order, await outbox.deadLetters.retry(id ?? { all: true }), "will be tried again");
}

async function drop(order: Order): Promise<ExitCode> {
  const { outbox, id } = order;
  return await count(order, await outbox.deadLetters.drop(id ?? { all: true }), "dropped");
}

async function count({ isJson, isQuiet }: Order, letters: number, what: string): Promise<ExitCode> {
  if (isJson) await write(process.stdout, `${JSON.stringify({ ok: true, count: letters })}\n`);
  else if (!isQuiet) await write(process.stdout, `${letters} dead letter${letters === 1 ? "" : "s"} ${what}\n`);
  return Exit.OK;
}

async function stats({ outbox, isJson }: Order): Promise<ExitCode> {
  const { pending, pendingBytes, dead, deadBytes } = outbox.stats();
  if (isJson) await write(process.stdout, `${JSON.stringify({ ok: true, pending, pendingBytes, dead, deadBytes })}\n`);
  else await write(process.stdout, `pending ${pending} (${pendingBytes} bytes)\ndead ${dead} (${deadBytes} bytes)\n`);
  return Exit.OK;
}
