import { dial, EarshotError, type Message } from "../index.js";
import { COMMON_OPTIONS, checkVoice, parse, readBytes, readChoice, readTimeout, takePositionals } from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { write } from "./output.js";
import { TimeLimit } from "./time-limit.js";

export { report } from "./report.js";

const OPTIONS = {
  ...COMMON_OPTIONS,
  wire: { type: "string" },
  "max-message-bytes": { type: "string" },
} as const;

const DEFAULT_MAX_MESSAGE_BYTES = 67_108_864;
const NEWLINE = 0x0a;

/** `earshot send ADDRESS [MESSAGE]` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("send", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("send");
  const [address, text] = takePositionals("send", positionals, ["ADDRESS", "MESSAGE"]);
  checkVoice("send", values);
  const wire = readChoice("send", "wire", values.wire, ["framed", "plain"]);
  const maxMessageBytes = readBytes("send", "max-message-bytes", values["max-message-bytes"]);
  const limit = readTimeout("send", values["timeout-ms"]);
  const { json: isJson = false, quiet: isQuiet = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  // Before the connection: a server does not wait long for one that says nothing.
  const message = text ?? (await readInput(maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES, !isQuiet && !isJson));
  const time = new TimeLimit(limit);
  const client = await dial(address, { wire, maxMessageBytes, logger, connectTimeoutMs: limit });
  try {
    await show(await client.send(message, { timeoutMs: time.leftMs }), isJson);
  } finally {
    await client.close();
  }
  return Exit.OK;
}

/** Standard input to its end. */
async function readInput(maxBytes: number, mayHint: boolean): Promise<Buffer> {
  const { stdin } = process;
  if (stdin.isTTY && mayHint) {
    await write(process.stderr, "the message is what you type; end it with Ctrl-D on a line of its own\n");
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    length += chunk.length;
    if (length > maxBytes) {
      const fact = `it has more than ${maxBytes} bytes (--max-message-bytes)`;
      throw new EarshotError("MESSAGE_TOO_LARGE", `Cannot send standard input: ${fact}`, { delivery: "unsent" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** The reply as it is, so that it can be any bytes; only a terminal gets the newline that it needs. */
async function show(reply: Message, isJson: boolean): Promise<void> {
  const { bytes, byteLength } = reply;
  if (isJson) {
    const content = (await isText(bytes)) ? { reply: reply.text() } : { base64: Buffer.from(bytes).toString("base64") };
    await write(process.stdout, `${JSON.stringify({ ok: true, bytes: byteLength, ...content })}\n`);
  } else if (byteLength > 0) {
    await write(
      process.stdout,
      bytes,
      process.stdout.isTTY && bytes.at(-1) !== NEWLINE && (await isText(bytes)) ? "\n" : "",
    );
  }
}

/** Loaded when it is needed: what a module of Node's costs is a part of every message from a script. */
async function isText(bytes: Uint8Array): Promise<boolean> {
  const { isUtf8 } = await import("node:buffer");
  return isUtf8(bytes);
}
