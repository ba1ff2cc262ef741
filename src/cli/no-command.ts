import { UsageError } from "./arguments.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { GENERAL_HELP, showHelp } from "./help.js";
import { write } from "./output.js";
import { nearest } from "./suggest.js";
import { readVersion } from "./version.js";

/** `earshot` by itself, its own options, and everything that is not a command. */
export async function runWithoutCommand(
  first: string | undefined,
  commands: readonly (string | undefined)[],
): Promise<ExitCode> {
  if (first === "--help" || first === "-h") return showHelp();
  if (first === "--version") {
    await write(process.stdout, `${readVersion()}\n`);
    return Exit.OK;
  }
  if (first === undefined) {
    await write(process.stderr, GENERAL_HELP);
    return Exit.USAGE;
  }
  const names = commands.filter((name) => name !== undefined);
  if (first.startsWith("-")) {
    throw new UsageError(`${JSON.stringify(first)} comes before the command; first one of ${names.join(", ")}`);
  }
  const near = nearest(first, names);
  const remedy = near === undefined ? `there are ${names.join(", ")}` : `did you mean ${JSON.stringify(near)}?`;
  throw new UsageError(`there is no command ${JSON.stringify(first)}; ${remedy}`);
}
