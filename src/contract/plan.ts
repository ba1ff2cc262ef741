import type { Origin } from "../peer/pending.js";
import { CallFlag, callPrefix } from "./format.js";
import type { Checks, ProcedureKind } from "./procedure.js";

/** What all calls of one procedure have in common, for its caller. */
export class Plan {
  readonly name: string;
  readonly hasInput: boolean;
  readonly accepts: boolean;
  readonly yields: boolean;
  /** Nothing is checked where it is missing: the caller does not know the contract. */
  readonly checks: Checks | undefined;
  readonly origin: Origin;
  /** Where a call has one reply: with how it is read. Made with the first call. */
  unary: Origin | undefined = undefined;
  /** The first bytes of a call without headers, and with them. */
  readonly prefix: Buffer;
  readonly prefixWithHeaders: Buffer;

  constructor(
    name: string,
    kind: ProcedureKind,
    hasInput: boolean,
    checks: Checks | undefined,
    address: string,
    codec: number,
  ) {
    this.name = name;
    this.hasInput = hasInput;
    this.accepts = kind === "client stream" || kind === "bidirectional";
    this.yields = kind === "server stream" || kind === "bidirectional";
    this.checks = checks;
    this.origin = { op: "call", address, table: undefined, procedure: name };
    const flags = (this.accepts ? CallFlag.ITEMS : 0) | (this.yields ? CallFlag.STREAM : 0);
    this.prefix = callPrefix(name, codec, flags);
    this.prefixWithHeaders = callPrefix(name, codec, flags | CallFlag.HEADERS);
  }
}
