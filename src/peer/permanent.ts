import type { EarshotError, ErrorCode } from "../errors.js";

/** What may be otherwise the next time. Everything else needs somebody to do something. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "NO_SERVER",
  "CONNECTION_LOST",
  "CONNECTION_CLOSED",
  "OVERLOADED",
  "TIMEOUT",
]);

/**
 * True when trying again is of no use.
 *
 * @param isSingle whether no connection follows the one that there is: then only a server that is busy may be otherwise
 */
export function isPermanent({ code }: EarshotError, isSingle = false): boolean {
  return isSingle ? code !== "OVERLOADED" : !PASSING.has(code);
}
