import type { AnyApi, JsonSchema, ProcedureDescription } from "../contract/index.js";
import { EarshotError } from "../index.js";
import { UsageError } from "./arguments.js";
import { placeOf, readLines, readText } from "./lines.js";
import { toLine, write } from "./output.js";
import { isTextSchema, schemaText } from "./schema-text.js";
import { fromJson, ValueError } from "./values.js";

/** So much of a wrong argument is told. */
const MAX_TOLD = 200;
/** And so many names, to who asks for one that is not there. */
const MAX_NAMES = 20;

export interface InputOptions {
  readonly stdin: NodeJS.ReadStream;
  /** The longest input from standard input, and the longest line. */
  readonly maxBytes: number;
  /** Whether a terminal is told what is waited for. */
  readonly mayHint: boolean;
}

/** What a procedure is called with: its input, and what it streams. */
export class CallInput {
  readonly input: unknown;
  readonly items: AsyncIterable<unknown> | undefined;
  /** Why standard input could not be read to its end. */
  failure: unknown;

  private constructor(input: unknown, procedure: ProcedureDescription, options: InputOptions) {
    this.input = input;
    this.items = acceptsItems(procedure) ? this.#read(procedure.accepts, options) : undefined;
  }

  /**
   * Resolves with the input, which comes from the argument or from standard input; items are read when they are sent.
   *
   * @throws UsageError where the argument does not suit; EarshotError where standard input does not
   */
  static async open(
    procedure: ProcedureDescription,
    argument: string | undefined,
    options: InputOptions,
  ): Promise<CallInput> {
    const isStdin = argument === "-" || (argument === undefined && !options.stdin.isTTY);
    if (acceptsItems(procedure)) {
      const input = argumentForItems(procedure, argument);
      if (options.stdin.isTTY && options.mayHint) await hint(procedure.accepts, "items are what you type, one a line");
      return new CallInput(input, procedure, options);
    }
    if (!procedure.hasInput) {
      if (argument !== undefined) throw usage(`${toLine(procedure.name)} takes no input`);
      return new CallInput(undefined, procedure, options);
    }
    if (!isStdin) return new CallInput(readArgument(procedure, argument), procedure, options);
    if (options.stdin.isTTY && options.mayHint) await hint(procedure.input, "the input is what you type");
    return new CallInput(await readInput(procedure, options), procedure, options);
  }

  async *#read(schema: JsonSchema | undefined, { stdin, maxBytes }: InputOptions): AsyncGenerator<unknown> {
    try {
      for await (const { text, number } of readLines(stdin, maxBytes)) {
        if (text.trim() !== "") yield readValue(text.replace(/\r$/, ""), schema, placeOf(number));
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

function acceptsItems({ kind }: ProcedureDescription): boolean {
  return kind === "client stream" || kind === "bidirectional";
}

/** Where standard input has the items. @throws UsageError */
function argumentForItems(procedure: ProcedureDescription, argument: string | undefined): unknown {
  const { name, hasInput } = procedure;
  if (hasInput && argument !== "-") return readArgument(procedure, argument);
  if (hasInput) throw usage(`the items of ${toLine(name)} are standard input; its input has to be an argument`);
  if (argument === undefined || argument === "-") return undefined;
  throw usage(`${toLine(name)} takes no input; its items come on standard input, one a line`);
}

/** @throws UsageError */
function readArgument(procedure: ProcedureDescription, argument: string | undefined): unknown {
  const { name, input } = procedure;
  if (argument === undefined) {
    const remedy = acceptsItems(procedure) ? "" : ", or - for standard input";
    throw usage(`${toLine(name)} takes an input${described(input)}; give it as an argument${remedy}`);
  }
  try {
    return parse(argument, input);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const what = `${JSON.stringify(argument.slice(0, MAX_TOLD))} as the input of ${toLine(name)}`;
    const form = input === undefined ? "" : `; it takes ${toLine(schemaText(input))}`;
    throw usage(`Cannot use ${what}: ${error.message}${form}`);
  }
}

/** @throws EarshotError */
async function readInput({ input }: ProcedureDescription, { stdin, maxBytes }: InputOptions): Promise<unknown> {
  const text = await readText(stdin, maxBytes);
  // No bytes are no input, as on the wire.
  if (text.trim() === "") return undefined;
  return readValue(isTextSchema(input) ? text.replace(/\r?\n$/, "") : text, input, placeOf(undefined));
}

/** @throws EarshotError `INVALID_JSON` */
function readValue(text: string, schema: JsonSchema | undefined, place: string): unknown {
  try {
    return parse(text, schema);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new EarshotError("INVALID_JSON", `Cannot read ${place}: ${error.message}`, { cause: error });
  }
}

/** Where only texts will do, no quotes are needed. @throws ValueError */
function parse(text: string, schema: JsonSchema | undefined): unknown {
  return isTextSchema(schema) && !text.trimStart().startsWith('"') ? text : fromJson(text);
}

function described(schema: JsonSchema | undefined): string {
  return schema === undefined ? "" : ` (${toLine(schemaText(schema))})`;
}

async function hint(schema: JsonSchema | undefined, what: string): Promise<void> {
  const form = isTextSchema(schema) ? "" : ` as JSON${described(schema)}`;
  await write(process.stderr, `${what}${form}; end it with Ctrl-D on a line of its own\n`);
}

function usage(message: string): UsageError {
  return new UsageError(message, "call");
}

/** The procedure that was asked for. @throws EarshotError `UNKNOWN_PROCEDURE`, with what was probably meant */
export async function findProcedure({ description, client }: AnyApi, name: string): Promise<ProcedureDescription> {
  const { procedures } = description;
  const found = procedures.find((procedure) => procedure.name === name);
  if (found !== undefined) return found;
  const { nearest } = await import("./suggest.js");
  const names = procedures.map((procedure) => procedure.name);
  // Of nested names, the last part may be all that somebody knows.
  const last = (full: string) => full.slice(full.lastIndexOf(".") + 1);
  const near = nearest(name, names) ?? names.find((full) => last(full) === nearest(last(name), names.map(last)));
  const some = names.length > MAX_NAMES ? [...names.slice(0, MAX_NAMES), "and more (earshot describe)"] : names;
  const remedy = near === undefined ? `there are ${some.join(", ")}` : `did you mean ${JSON.stringify(near)}?`;
  const fact = `${description.name} ${description.version} has no such procedure; ${remedy}`;
  const details = { op: "call", address: client.address, procedure: name, delivery: "unsent" } as const;
  throw new EarshotError("UNKNOWN_PROCEDURE", `Cannot call ${JSON.stringify(name)}: ${fact}`, details);
}
