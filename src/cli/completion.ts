import { COMMON_OPTIONS, parse, UsageError } from "./arguments.js";
import { SCRIPTS } from "./completion-scripts.js";
import { Exit, type ExitCode } from "./exit-codes.js";
import { write } from "./output.js";

export { report } from "./report.js";

const OPTIONS = { help: COMMON_OPTIONS.help } as const;

/** `earshot completion bash|zsh|fish` */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = await parse("completion", args, OPTIONS);
  if (values.help) return (await import("./help.js")).showHelp("completion");
  const [name, excess] = positionals;
  if (excess !== undefined) {
    throw new UsageError(`${JSON.stringify(excess)} is one too many after the shell`, "completion");
  }
  const shell = Object.keys(SCRIPTS).find((one) => one === name) as keyof typeof SCRIPTS | undefined;
  if (shell === undefined) {
    const fact = name === undefined ? "the shell is missing" : `there is no script for ${JSON.stringify(name)}`;
    throw new UsageError(`${fact}; it is one of ${Object.keys(SCRIPTS).join(", ")}`, "completion");
  }
  await write(process.stdout, SCRIPTS[shell]);
  return Exit.OK;
}
