import { EarshotError } from "../errors.js";
import type { Logger } from "../peer/options.js";
import type { Codec } from "./codec.js";
import { codecFor } from "./codecs.js";
import { Held } from "./collect.js";
import { aboutOf, type Contract } from "./contract.js";
import { errorMakers } from "./faults.js";
import type { Middleware } from "./middleware.js";
import { NameTable } from "./name-table.js";
import { type Checks, checksOf, type ProcedureKind } from "./procedure.js";
import type { CallContext } from "./types.js";
import { Writer } from "./writer.js";

export type AnyHandler = (...args: unknown[]) => unknown;

/** A procedure that is served. */
export interface Served {
  readonly name: string;
  readonly kind: ProcedureKind;
  readonly hasInput: boolean;
  readonly hasOutput: boolean;
  readonly accepts: boolean;
  readonly yields: boolean;
  readonly checks: Checks;
  readonly handler: AnyHandler;
  /** A unary procedure with nothing around its handler: no middleware, and nothing that is checked. */
  readonly isBare: boolean;
  readonly errors: CallContext["errors"];
}

export interface ServiceOptions {
  readonly middleware: readonly Middleware[];
  readonly validates: boolean;
  readonly logger: Logger;
  readonly maxMessageBytes: number;
  readonly maxBufferedBytes: number;
}

/** What all calls of a server have in common. */
export class Service {
  readonly title: string;
  readonly middleware: readonly Middleware[];
  /** Whether outputs are checked here as well. */
  readonly validates: boolean;
  readonly logger: Logger;
  /** What replies are written to. */
  readonly writer = new Writer();
  readonly #codecs: (Codec | undefined)[] = [];
  readonly maxMessageBytes: number;
  readonly held: Held;
  readonly #served = new NameTable<Served>();

  constructor(contract: Contract, handlers: unknown, options: ServiceOptions) {
    const { name, version, procedures } = aboutOf(contract);
    this.title = `${name} ${version}`;
    this.middleware = options.middleware;
    this.validates = options.validates;
    this.logger = options.logger;
    this.maxMessageBytes = options.maxMessageBytes;
    this.held = new Held(options.maxBufferedBytes);
    for (const [full, procedure] of procedures) {
      const checks = checksOf(procedure);
      this.#served.add(full, {
        name: full,
        kind: procedure.kind,
        hasInput: procedure.definition.input !== undefined,
        hasOutput: procedure.definition.output !== undefined,
        accepts: procedure.definition.accepts !== undefined,
        yields: procedure.definition.yields !== undefined,
        checks,
        handler: handlerAt(handlers, full),
        isBare: this.#isBare(procedure.kind, checks),
        errors: errorMakers(full, checks.errors.keys()),
      });
    }
  }

  #isBare(kind: ProcedureKind, { input, output }: Checks): boolean {
    if (kind !== "unary" || this.middleware.length > 0) return false;
    return input === undefined && (output === undefined || !this.validates);
  }

  /** The procedure whose name these bytes are. */
  find(source: Buffer, start: number, end: number): Served | undefined {
    return this.#served.find(source, start, end);
  }

  /** @throws CodecError */
  codec(id: number): Codec {
    const known = this.#codecs[id];
    if (known !== undefined) return known;
    const made = codecFor(id, this.writer);
    this.#codecs[id] = made;
    return made;
  }
}

/** @throws EarshotError `INVALID_ARGUMENT` */
function handlerAt(handlers: unknown, full: string): AnyHandler {
  let found: unknown = handlers;
  let group: unknown;
  for (const part of full.split(".")) {
    group = found;
    const isGroup = typeof found === "object" && found !== null;
    found = isGroup ? (found as Readonly<Record<string, unknown>>)[part] : undefined;
  }
  if (typeof found === "function") return found.bind(group);
  const fact = `Cannot serve ${full}: it has no handler; each procedure of the contract needs a function`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}
