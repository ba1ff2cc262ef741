import { Invalid, type Unsuited } from "./faults.js";
import { issuesText, plainIssues, type SchemaResult, type Validate } from "./schema.js";

function outcome(
  code: "INVALID_INPUT" | "INVALID_OUTPUT",
  what: string,
  procedure: string,
  result: SchemaResult<unknown>,
  Fault: typeof Invalid | typeof Unsuited,
): unknown {
  if (result.issues === undefined) return result.value;
  const issues = plainIssues(result.issues);
  throw new Fault(code, issues, `Cannot call ${procedure}: the ${what} is not valid: ${issuesText(issues)}`);
}

/**
 * What a schema makes of a value; a promise only where the validator is asynchronous.
 *
 * @param what it is, for the message: `"input"`, `"output"`, ...
 * @throws EarshotError with this code, or rejects with it
 */
export function check(
  validate: Validate | undefined,
  value: unknown,
  code: "INVALID_INPUT" | "INVALID_OUTPUT",
  what: string,
  procedure: string,
  Fault: typeof Invalid | typeof Unsuited = Invalid,
): unknown {
  if (validate === undefined) return value;
  const result = validate(value);
  if (!(result instanceof Promise)) return outcome(code, what, procedure, result, Fault);
  return result.then((settled) => outcome(code, what, procedure, settled, Fault));
}
