import { UsageError } from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { COMMAND_NAMES, GENERAL_HELP, showHelp } from "./help.js";
import { write } from "./output.js";
import { nearest } from "./suggest.js";
import { readVersion } from "./version.js";

export { report } from "./report.js";

/** `earshot` by itself, its own options, and everything that is not a command. */
export async function run([first]: readonly string[]): Promise<ExitCode> {
  if (first === "--help" || first === "-h") return showHelp();
  if (first === "--version") {
    await write(process.stdout, `${readVersion()}\n`);
    return Exit.OK;
  }
  if (first === undefined) {
    await write(process.stderr, GENERAL_HELP);
    return Exit.USAGE;
  }
  if (first.startsWith("-")) {
    throw new UsageError(`${JSON.stringify(first)} comes before the command; first one of ${COMMAND_NAMES.join(", ")}`);
  }
  const near = nearest(first, COMMAND_NAMES);
  const remedy = near === undefined ? `there are ${COMMAND_NAMES.join(", ")}` : `did you mean ${JSON.stringify(near)}?`;
  throw new UsageError(`there is no command ${JSON.stringify(first)}; ${remedy}`);
}
