import { EarshotError } from "../index.js";
import type { ExitCode } from "./exit-codes.js";
import { toLine } from "./output.js";
import { describe, end, report as reportOther } from "./report.js";
import { toJson } from "./values.js";

/** As for other commands; and what a contract's errors have besides, on lines of its own. */
export async function report(error: unknown, isJson: boolean): Promise<ExitCode> {
  if (!(error instanceof EarshotError)) return await reportOther(error, isJson);
  const { issues, procedure } = error;
  const isDeclared = error.code === "PROCEDURE_FAILED";
  if (isJson) {
    const data = isDeclared ? error.data : undefined;
    return await end(error, toJson({ ok: false, ...describe(error), procedure, issues, data }));
  }
  const lines = [`earshot: ${toLine(messageOf(error))}`];
  if (isDeclared && error.data !== undefined) lines.push(...toJson(error.data, 2).split("\n"));
  for (const { message, path } of issues ?? []) lines.push(toLine(`${pathText(path)}${message}`));
  return await end(error, lines.join("\n  "));
}

/** What is wrong has lines of its own. */
function messageOf({ message, issues }: EarshotError): string {
  return issues === undefined || issues.length === 0
    ? message
    : message.replace(/: the (.+?) is not valid: .*$/s, ": the $1 is not valid");
}

/** `days[2].city: ` */
function pathText(path: readonly (string | number)[]): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return text === "" ? "" : `${text.replace(/^\./, "")}: `;
}
