import { dial } from "../index.js";
import { COMMON_OPTIONS, checkVoice, parse, readTimeout, takePositionals } from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { toLine, write } from "./output.js";
import { TimeLimit } from "./time-limit.js";

export { report } from "./report.js";

/** A server that does not answer for so long is not well. */
const DEFAULT_TIMEOUT_MS = 5_000;

/** `earshot ping ADDRESS` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("ping", args, COMMON_OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("ping");
  const [address] = takePositionals("ping", positionals, ["ADDRESS"]);
  checkVoice("ping", values);
  const limit = readTimeout("ping", values["timeout-ms"]) ?? DEFAULT_TIMEOUT_MS;
  const { json: isJson = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  const time = new TimeLimit(limit);
  const client = await dial(address, { logger, connectTimeoutMs: limit });
  try {
    const { roundTripMs, app } = await client.ping({ timeoutMs: time.leftMs });
    if (isJson) {
      await write(process.stdout, `${JSON.stringify({ ok: true, address: client.address, roundTripMs, app })}\n`);
    } else if (!values.quiet) {
      const who = app === undefined ? "" : ` (${toLine(`${app.name} ${app.version}`)})`;
      await write(process.stdout, `pong from ${client.address} in ${roundTripMs.toFixed(2)} ms${who}\n`);
    }
  } finally {
    await client.close();
  }
  return Exit.OK;
}
