import { EarshotError, type Issue } from "../errors.js";
import type { CallContext } from "./types.js";

// What a served procedure may throw on purpose. All of it is an EarshotError for who catches it; an error of the same code
// that comes from somewhere else, as from another server that the handler has called, does not reach the caller.

/** A declared error, on its way to the caller. */
export class Declared extends EarshotError {
  constructor(name: string, procedure: string, data: unknown) {
    const fact = `Cannot finish ${procedure}: ${name}`;
    super("PROCEDURE_FAILED", fact, { op: "call", remoteCode: name, procedure, data });
  }
}

/** What came or was to go does not suit its schema. */
export class Invalid extends EarshotError {
  constructor(code: "INVALID_INPUT" | "INVALID_OUTPUT", issues: readonly Issue[], text: string) {
    super(code, text, { op: "call", issues });
  }
}

/** The same of what another server has answered to a handler: who has called the handler hears nothing of it. */
export class Unsuited extends EarshotError {
  constructor(code: "INVALID_INPUT" | "INVALID_OUTPUT", issues: readonly Issue[], text: string) {
    super(code, text, { op: "call", issues });
  }
}

/** The caller is not let in, or what it sends has no place. It hears so. */
export class Refusal extends EarshotError {
  readonly failure: "PEER_REFUSED" | "MESSAGE_TOO_LARGE" | "OVERLOADED";

  constructor(failure: Refusal["failure"], text: string) {
    super(failure, text, { op: "call" });
    this.failure = failure;
  }
}

/** The makers of a procedure's declared errors. */
export function errorMakers(procedure: string, names: Iterable<string>): CallContext["errors"] {
  const makers: Record<string, (data?: unknown) => EarshotError> = {};
  for (const name of names) makers[name] = (data) => new Declared(name, procedure, data);
  return Object.freeze(makers);
}
