import { EarshotError } from "../errors.js";

/** The other side breaks a rule of the transport. */
export function violation(fact: string): EarshotError {
  return new EarshotError("PROTOCOL_VIOLATION", `Cannot read what the other side sent: ${fact}`, { op: "receive" });
}
