import { type Delivery, dial, EarshotError, type Message, type StartOptions, type StreamedMessage } from "../index.js";
import {
  COMMON_OPTIONS,
  checkVoice,
  parse,
  readBytes,
  readChoice,
  readTimeout,
  takePositionals,
  UsageError,
} from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import type { Input } from "./input.js";
import { write } from "./output.js";
import { TimeLimit } from "./time-limit.js";

export { report } from "./report.js";

const OPTIONS = {
  ...COMMON_OPTIONS,
  wire: { type: "string" },
  start: { type: "string" },
  "max-message-bytes": { type: "string" },
  retry: { type: "string" },
  id: { type: "string" },
} as const;

/** `earshot send ADDRESS [MESSAGE]` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("send", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("send");
  const [address, text] = takePositionals("send", positionals, ["ADDRESS", "MESSAGE"]);
  checkVoice("send", values);
  const wire = readChoice("send", "wire", values.wire, ["framed", "plain"]);
  const maxMessageBytes = readBytes("send", "max-message-bytes", values["max-message-bytes"]);
  const limit = readTimeout("send", values["timeout-ms"]);
  const retry = readChoice("send", "retry", values.retry, ["unsent", "idempotent"]) ?? false;
  const { id } = values;
  const start = readStart(values.start, limit);
  const { json: isJson = false, quiet: isQuiet = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  // Before the connection: a server does not wait long for one that says nothing.
  const input = text === undefined ? await openInput(maxMessageBytes, !isQuiet && !isJson) : undefined;
  const time = new TimeLimit(limit);
  const connect = retry === false ? "eager" : "lazy";
  const client = await dial(address, { wire, maxMessageBytes, logger, connectTimeoutMs: limit, connect, retry, start });
  try {
    const message = text ?? (await input?.message()) ?? "";
    const options = { timeoutMs: time.leftMs, id };
    if (isJson) await describe(await client.send(message, options));
    else await print(await client.send(message, { ...options, body: "stream" }), maxMessageBytes);
  } catch (error) {
    throw input?.failure ?? error;
  } finally {
    await client.close();
  }
  return Exit.OK;
}

/** @throws UsageError */
function readStart(command: string | undefined, readyTimeoutMs: number | undefined): StartOptions | undefined {
  if (command === "") throw new UsageError('--start "": a command is needed, which starts the server', "send");
  return command === undefined ? undefined : { command: "sh", args: ["-c", command], readyTimeoutMs };
}

/** Loaded when it is needed, as all that is not a part of every message from a script. */
async function openInput(maxBytes: number | undefined, mayHint: boolean): Promise<Input> {
  const { Input } = await import("./input.js");
  const refuse = (limit: number, delivery: Delivery) => tooLarge("send standard input", limit, delivery);
  return await Input.open({ maxBytes, mayHint, refuse });
}

async function describe(reply: Message): Promise<void> {
  const { isUtf8 } = await import("node:buffer");
  const { bytes, byteLength } = reply;
  const content = isUtf8(bytes) ? { reply: reply.text() } : { base64: Buffer.from(bytes).toString("base64") };
  await write(process.stdout, `${JSON.stringify({ ok: true, bytes: byteLength, ...content })}\n`);
}

/** The reply as it is, so that it can be any bytes; only a terminal gets the newline that it needs. */
async function print(reply: StreamedMessage, maxBytes = Infinity): Promise<void> {
  const text = process.stdout.isTTY ? new (await import("./text-check.js")).TextCheck() : undefined;
  if ((reply.sizeBytes ?? 0) > maxBytes) throw tooLarge("print the reply", maxBytes, "unknown");
  let bytes = 0;
  for await (const piece of reply.body) {
    bytes += piece.length;
    if (bytes > maxBytes) throw tooLarge("print the reply", maxBytes, "unknown");
    text?.add(piece);
    await write(process.stdout, piece);
  }
  if (bytes > 0 && text?.lacksNewline) await write(process.stdout, "\n");
}

function tooLarge(what: string, maxBytes: number, delivery: Delivery): EarshotError {
  const fact = `it has more than ${maxBytes} bytes (--max-message-bytes)`;
  return new EarshotError("MESSAGE_TOO_LARGE", `Cannot ${what}: ${fact}`, { delivery });
}
