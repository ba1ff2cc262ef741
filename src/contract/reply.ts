import { type EarshotError, failure, type Issue } from "../errors.js";
import { decodeFailureCode } from "../wire/failure.js";
import { check } from "./check.js";
import { type Codec, CodecError } from "./codec.js";
import { type Invalid, Unsuited } from "./faults.js";
import { Status } from "./format.js";
import type { Plan } from "./plan.js";
import { issuesText } from "./schema.js";

/** The output of a reply. @throws EarshotError what it says instead, or that it cannot be read */
export function readReply(plan: Plan, codec: Codec, source: Buffer, start: number, end: number): unknown {
  try {
    if (start === end) throw new CodecError("it has no status");
    const status = source[start] as number;
    const from = start + 1;
    switch (status) {
      case Status.OK: {
        const output = from === end ? undefined : codec.decode(source, from, end);
        return check(plan.checks?.output, output, "INVALID_OUTPUT", "output", plan.name, Unsuited);
      }
      case Status.DECLARED:
        return declared(plan, codec, source, from, end);
      case Status.INVALID_INPUT:
        throw invalid("INVALID_INPUT", "input", plan, readIssues(codec.decode(source, from, end)));
      case Status.INVALID_OUTPUT:
        throw invalid("INVALID_OUTPUT", "output", plan, readIssues(codec.decode(source, from, end)));
      case Status.FAILED:
        throw failed(plan, source, from, end);
      default:
        throw new CodecError(`it has status ${status}, which is not known`);
    }
  } catch (error) {
    throw error instanceof CodecError ? unreadable(plan, error.message) : error;
  }
}

/** An item of a stream. @throws EarshotError, or is a promise that rejects with it */
export function readItem(plan: Plan, codec: Codec, source: Buffer, start: number, end: number): unknown {
  let item: unknown;
  try {
    item = codec.decode(source, start, end);
  } catch (error) {
    throw error instanceof CodecError ? unreadable(plan, error.message) : error;
  }
  return check(plan.checks?.yields, item, "INVALID_OUTPUT", "item", plan.name, Unsuited);
}

function unreadable(plan: Plan, message: string): Invalid {
  return invalid("INVALID_OUTPUT", "reply", plan, [{ message: `it cannot be read: ${message}`, path: [] }]);
}

function invalid(
  code: "INVALID_INPUT" | "INVALID_OUTPUT",
  what: string,
  { origin, name }: Plan,
  issues: readonly Issue[],
): EarshotError {
  const fact = `the ${what} is not valid: ${issuesText(issues)}`;
  return failure(code, "call", origin.address, fact, { procedure: name, issues });
}

/** A declared error; its data is checked as an output is. */
function declared(plan: Plan, codec: Codec, source: Buffer, start: number, end: number): unknown {
  const nameEnd = start + 1 + (source[start] ?? 0);
  if (nameEnd > end) throw new CodecError("it ends before the name of its error does");
  const name = source.toString("utf8", start + 1, nameEnd);
  const data = nameEnd === end ? undefined : codec.decode(source, nameEnd, end);
  const { checks, origin } = plan;
  if (checks !== undefined && !checks.errors.has(name)) {
    const fact = `the procedure failed with ${JSON.stringify(name)}, which this side's contract does not declare`;
    throw failure("HANDLER_FAILED", "call", origin.address, fact, { procedure: plan.name, remoteCode: name });
  }
  const fail = (checked: unknown) => {
    const details = { procedure: plan.name, remoteCode: name, data: checked };
    throw failure("PROCEDURE_FAILED", "call", origin.address, `${name}, an error that its contract declares`, details);
  };
  const checked = check(checks?.errors.get(name), data, "INVALID_OUTPUT", `data of ${name}`, plan.name, Unsuited);
  return checked instanceof Promise ? checked.then(fail) : fail(checked);
}

function failed({ origin, name }: Plan, source: Buffer, start: number, end: number): EarshotError {
  if (end - start < 2) throw new CodecError("it ends before its failure does");
  const code = decodeFailureCode(source.readUInt16LE(start));
  const text = source.toString("utf8", start + 2, end);
  const fact = code === "HANDLER_FAILED" ? `the handler failed: ${text}` : text;
  return failure(code, "call", origin.address, fact, { procedure: name });
}

/** Issues that came from the other side: whatever has the shape. */
function readIssues(value: unknown): Issue[] {
  if (!Array.isArray(value)) throw new CodecError("its issues are no list");
  return value.flatMap((issue: unknown) => {
    const { message, path } = (issue ?? {}) as { readonly message?: unknown; readonly path?: unknown };
    if (typeof message !== "string") return [];
    const isKey = (part: unknown) => typeof part === "string" || typeof part === "number";
    return [{ message, path: Array.isArray(path) ? path.filter(isKey) : [] }];
  });
}
