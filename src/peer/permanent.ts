import type { EarshotError, ErrorCode } from "../errors.js";

/** What may be otherwise the next time. Everything else needs somebody to do something. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "NO_SERVER",
  "CONNECTION_LOST",
  "CONNECTION_CLOSED",
  "OVERLOADED",
  "TIMEOUT",
]);

/** True when trying again is of no use. */
export function isPermanent(error: EarshotError): boolean {
  return !PASSING.has(error.code);
}
