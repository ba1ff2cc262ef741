import { Exit, type ExitCode } from "./exit-codes.js";
import { COMMAND_NAMES, helpOf } from "./help.js";
import { toLine, write } from "./output.js";

/** A word that may come next, and what it is. */
export type Candidate = readonly [word: string, text: string];

/** What a shell asks for where files will do. */
const FILES: Candidate = [":files", ""];
const OUTBOX_ACTIONS = ["list", "show", "retry", "drop", "stats"];
const SHELLS = ["bash", "zsh", "fish"];

interface Flag {
  readonly name: string;
  /** What its value is called, or its choices; `undefined` if it takes none. */
  readonly value: string | undefined;
  readonly text: string;
}

/** Nobody reads it, and a shell that completes a line shall show nothing else. */
export async function report(): Promise<ExitCode> {
  return Exit.FAILED;
}

/** `earshot complete -- WORD...`, which the scripts of `earshot completion` call: what may the last word become? */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const words = args[0] === "--" ? args.slice(1) : args;
  const current = words.at(-1) ?? "";
  const found = await candidates(words.slice(0, -1), current);
  const fitting = found.filter((one) => one === FILES || one[0].startsWith(current));
  const lines = fitting.map(([word, text]) => `${toLine(word)}${text === "" ? "" : `\t${toLine(text)}`}\n`);
  if (lines.length > 0) await write(process.stdout, lines.join(""));
  return Exit.OK;
}

async function candidates([command, ...before]: readonly string[], current: string): Promise<readonly Candidate[]> {
  if (command === undefined) {
    return current.startsWith("-")
      ? [
          ["--help", "what there is"],
          ["--version", "the version"],
        ]
      : COMMAND_NAMES.map((name) => [name, helpOf(name)?.split("\n", 1)[0] ?? ""]);
  }
  const flags = flagsOf(command);
  const { positionals, awaiting, isRaw } = readWords(before, flags);
  if (awaiting !== undefined) return valuesOf(awaiting);
  if (current.startsWith("-") && !isRaw) return flags.map(({ name, text }) => [name, text]);
  return await positionalsOf(command, positionals, current);
}

/** What the command's help says is what there is. */
function flagsOf(command: string): Flag[] {
  const lines = helpOf(command)?.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)(?: (\S+))? {2,}(.*)$/gm) ?? [];
  return Array.from(lines, ([, name = "", value, text = ""]) => ({ name, value, text }));
}

/** What was typed before. */
function readWords(words: readonly string[], flags: readonly Flag[]) {
  const positionals: string[] = [];
  let awaiting: Flag | undefined;
  let isRaw = false;
  for (const word of words) {
    if (awaiting !== undefined) awaiting = undefined;
    else if (isRaw || !word.startsWith("-") || word === "-") positionals.push(word);
    else if (word === "--") isRaw = true;
    else awaiting = flags.find(({ name, value }) => name === word && value !== undefined);
  }
  return { positionals, awaiting, isRaw };
}

function valuesOf({ value = "" }: Flag): readonly Candidate[] {
  if (/FILE|DIR/.test(value)) return [FILES];
  return /^[a-z|]+$/.test(value) ? value.split("|").map((choice) => [choice, ""]) : [];
}

async function positionalsOf(
  command: string,
  before: readonly string[],
  current: string,
): Promise<readonly Candidate[]> {
  const [address] = before;
  if (command === "completion") return address === undefined ? SHELLS.map((shell) => [shell, ""]) : [];
  if (command === "outbox") {
    if (before.length === 1) return [FILES];
    return address === undefined ? OUTBOX_ACTIONS.map((action) => [action, ""]) : [];
  }
  if (address === undefined) {
    if (/[./~]/.test(current)) return [FILES];
    const names = await (await import("./live-words.js")).socketNames();
    const fitting = names.filter(([name]) => name.startsWith(current));
    return fitting.length > 0 ? fitting : [FILES];
  }
  if (command !== "call" || before.length > 1) return [];
  return await (await import("./live-words.js")).procedureNames(address);
}
