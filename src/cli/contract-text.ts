import type { ContractDescription, JsonSchema, ProcedureDescription } from "../contract/index.js";
import { toLine } from "./output.js";
import { schemaText } from "./schema-text.js";

const NAME_WIDTH = 9;
const INDENT = "  ";

/** A contract for people. What the server says cannot make a terminal do things. */
export function contractText({ name, version, procedures }: ContractDescription, address: string): string {
  const count = procedures.length === 1 ? "1 procedure" : `${procedures.length} procedures`;
  const head = `${toLine(`${name} ${version}`)} at ${address}: ${count}`;
  return `${[head, ...procedures.map(procedureText)].join("\n\n")}\n`;
}

function procedureText(procedure: ProcedureDescription): string {
  const { name, kind, summary, hasInput, input, accepts, output, yields, errors = {} } = procedure;
  const isServerStream = kind === "server stream" || kind === "bidirectional";
  const isClientStream = kind === "client stream" || kind === "bidirectional";
  const rows = [
    hasInput ? row("input", input) : undefined,
    isClientStream ? row("accepts", accepts) : undefined,
    isServerStream ? row("yields", yields) : undefined,
    output === undefined ? undefined : row("output", output),
    ...Object.entries(errors).map(([error, data]) => row("error", data === true ? undefined : data, error)),
  ];
  const told = summary === undefined ? undefined : `${INDENT}${toLine(summary)}`;
  return [`${toLine(name)}  (${toLine(kind)})`, told, ...rows].filter((line) => line !== undefined).join("\n");
}

/** @param name of an error */
function row(part: string, schema: JsonSchema | undefined, name = ""): string {
  const text = schema === undefined ? (name === "" ? "not described" : "") : schemaText(schema, INDENT.repeat(2));
  const lines = [name, text]
    .filter((word) => word !== "")
    .join(" ")
    .split("\n");
  const [first = "", ...others] = lines.map((line) => /^ */.exec(line)?.[0] + toLine(line.trimStart()));
  return [`${INDENT}${part.padEnd(NAME_WIDTH)}${first}`, ...others].join("\n");
}
