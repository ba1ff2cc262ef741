import { describe } from "../contract/index.js";
import { COMMON_OPTIONS, checkVoice, parse, readTimeout, takePositionals } from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { write } from "./output.js";
import { TimeLimit } from "./time-limit.js";

export { report } from "./report.js";

/** A server that does not answer for so long is not well. */
const DEFAULT_TIMEOUT_MS = 5_000;

/** `earshot describe ADDRESS` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("describe", args, COMMON_OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("describe");
  const [address] = takePositionals("describe", positionals, ["ADDRESS"]);
  checkVoice("describe", values);
  const limit = readTimeout("describe", values["timeout-ms"]) ?? DEFAULT_TIMEOUT_MS;
  const { json: isJson = false } = values;
  const logger = values.verbose ? (await import("./log.js")).stderrLogger("debug", isJson) : undefined;

  const time = new TimeLimit(limit);
  const description = await describe(address, { logger, connectTimeoutMs: limit, timeoutMs: time.leftMs });
  if (isJson) await write(process.stdout, `${JSON.stringify({ ok: true, ...description })}\n`);
  else await write(process.stdout, (await import("./contract-text.js")).contractText(description, address));
  return Exit.OK;
}
