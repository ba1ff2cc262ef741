import { type ParseArgsConfig, parseArgs } from "node:util";

/** The command line is wrong; the message says what, `command` whose `--help` has the remedy. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly command: string | undefined;

  /** @param message what is wrong, and what to do, as the beginning of a sentence or as a question */
  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}

type Options = NonNullable<ParseArgsConfig["options"]>;

type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/** What every command takes. */
export const COMMON_OPTIONS = {
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
  quiet: { type: "boolean" },
  verbose: { type: "boolean" },
  "timeout-ms": { type: "string" },
} as const satisfies Options;

/** @throws UsageError */
export async function parse<const T extends Options>(
  command: string,
  args: readonly string[],
  options: T,
): Promise<Parsed<T>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const { explainParseError } = await import("./suggest.js");
    throw new UsageError(explainParseError(error, Object.keys(options), command), command);
  }
}

/** The address and what else may follow it. @throws UsageError */
export function takePositionals(
  command: string,
  positionals: readonly string[],
  names: readonly string[],
): [address: string, ...rest: string[]] {
  const [address, ...rest] = positionals;
  if (address === undefined) throw new UsageError("the ADDRESS is missing", command);
  const excess = positionals[names.length];
  if (excess !== undefined) {
    const last = names.at(-1) ?? "";
    const hint = ["MESSAGE", "JSON"].includes(last)
      ? `; put quotes around the ${last.replace("MESSAGE", "message")}`
      : "";
    throw new UsageError(`${JSON.stringify(excess)} is one too many after ${enumerate(names)}${hint}`, command);
  }
  return [address, ...rest];
}

function enumerate(names: readonly string[]): string {
  return [names.slice(0, -1).join(", "), ...names.slice(-1)].filter((part) => part !== "").join(" and ");
}

/** How much is told: the two flags exclude each other. @throws UsageError */
export function checkVoice(command: string, { quiet, verbose }: { quiet?: boolean; verbose?: boolean }): void {
  if (quiet && verbose) throw new UsageError("--quiet and --verbose exclude each other", command);
}

/** Milliseconds; 0 is no limit. @throws UsageError */
export function readTimeout(command: string, text: string | undefined, name = "timeout-ms"): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} ${JSON.stringify(text)}: a whole number of milliseconds is needed`, command);
}

/** @throws UsageError */
export function readNumber(command: string, name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} ${JSON.stringify(text)}: a whole number is needed`, command);
}

/** @throws UsageError */
export function readBytes(command: string, name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text);
  throw new UsageError(`--${name} ${JSON.stringify(text)}: a whole number of bytes is needed, 1 or more`, command);
}

/** @throws UsageError */
export function readMode(command: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^(0o?)?[0-7]{3}$/.test(text)) return Number.parseInt(text.slice(-3), 8);
  throw new UsageError(`--mode ${JSON.stringify(text)}: three octal digits are needed, such as 600 or 660`, command);
}

/** @throws UsageError */
export function readChoice<const T extends string>(
  command: string,
  name: string,
  text: string | undefined,
  choices: readonly T[],
): T | undefined {
  const choice = choices.find((one) => one === text);
  if (text === undefined || choice !== undefined) return choice;
  throw new UsageError(`--${name} ${JSON.stringify(text)}: it is one of ${choices.join(", ")}`, command);
}
