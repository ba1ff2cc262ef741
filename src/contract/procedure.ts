import { EarshotError } from "../errors.js";
import type { Nothing, Schema, Validate } from "./schema.js";
import { validatorOf } from "./schema.js";

/** Declared errors: by name, the schema of their data. */
export type ErrorSchemas = Readonly<Record<string, Schema>>;

/** No declared errors. */
// biome-ignore lint/complexity/noBannedTypes: an object without members is what is meant
export type NoErrors = {};

/** What a procedure takes and gives. Each part may be missing. */
export interface ProcedureDefinition<
  I extends Schema | Nothing,
  A extends Schema | Nothing,
  O extends Schema | Nothing,
  Y extends Schema | Nothing,
  E extends ErrorSchemas,
> {
  /** The argument of the call, checked on the server. Without it the call has none. */
  readonly input?: I;
  /** Each of the items that the caller streams, checked on the server. */
  readonly accepts?: A;
  /** What the call resolves with, checked on the caller's side. Not together with `yields`. */
  readonly output?: O;
  /** Each of the items that the server streams, checked on the caller's side. */
  readonly yields?: Y;
  /** Errors that reach the caller as they are, by name, with the type of their data. */
  readonly errors?: E;
  /** One sentence for those who ask what is there. */
  readonly summary?: string;
}

/** Who streams: nobody, the server, the caller, or both. */
export type ProcedureKind = "unary" | "server stream" | "client stream" | "bidirectional";

/** Any procedure. Without type parameters, so that none is inferred from where a procedure is used. */
export interface AnyProcedure {
  /** Who streams. */
  readonly kind: ProcedureKind;
}

/** One procedure of a contract; `procedure` makes it. */
export interface Procedure<
  I extends Schema | Nothing = Schema | Nothing,
  A extends Schema | Nothing = Schema | Nothing,
  O extends Schema | Nothing = Schema | Nothing,
  Y extends Schema | Nothing = Schema | Nothing,
  E extends ErrorSchemas = ErrorSchemas,
> extends AnyProcedure {
  /** What `procedure` was given. */
  readonly definition: ProcedureDefinition<I, A, O, Y, E>;
}

/** Why names are what they are: they are properties here, and names in other languages. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;

/** True for a name that an object has already or that `await` looks for. */
function isTaken(name: string): boolean {
  return name in Object.prototype || name === "then" || name === "toJSON" || name === "prototype";
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function assertName(name: string, what: string): void {
  if (NAME.test(name) && !isTaken(name)) return;
  const reason = isTaken(name) ? "that name means something to JavaScript" : "it has 1 to 255 letters, digits and _";
  throw new EarshotError("INVALID_ARGUMENT", `Cannot call ${what} ${JSON.stringify(name)}: ${reason}; choose another`);
}

const PARTS = ["input", "accepts", "output", "yields"] as const;

/** What is checked when a procedure is called: nothing where it has no schema or `type<T>()`. */
export class Checks {
  readonly input: Validate | undefined;
  readonly accepts: Validate | undefined;
  readonly output: Validate | undefined;
  readonly yields: Validate | undefined;
  readonly errors: ReadonlyMap<string, Validate | undefined>;

  constructor(definition: Procedure["definition"]) {
    [this.input, this.accepts, this.output, this.yields] = PARTS.map((part) => validatorOf(definition[part], part));
    const errors = Object.entries(definition.errors ?? {});
    this.errors = new Map(errors.map(([name, schema]) => [name, validatorOf(schema, `errors.${name}`)]));
  }
}

class Defined implements Procedure {
  readonly kind: ProcedureKind;
  readonly definition: Procedure["definition"];
  readonly #checks: Checks;

  constructor(definition: Procedure["definition"]) {
    this.definition = definition;
    const { accepts, yields } = definition;
    if (yields !== undefined) this.kind = accepts === undefined ? "server stream" : "bidirectional";
    else this.kind = accepts === undefined ? "unary" : "client stream";
    this.#checks = new Checks(definition);
  }

  static checks(procedure: Defined): Checks {
    return procedure.#checks;
  }
}

export function isProcedure(value: unknown): value is Defined {
  return value instanceof Defined;
}

/** @throws TypeError for what `procedure` has not made */
export function checksOf(procedure: Procedure): Checks {
  return Defined.checks(procedure as Defined);
}

/**
 * A procedure of a contract. Without `accepts` and `yields` it is a call with one reply; with one or both of them the
 * caller, the server, or both stream items.
 *
 * Every part is a Standard Schema (zod, valibot, arktype, ...) or, for a type alone, `type<T>()`.
 *
 * @throws EarshotError `INVALID_ARGUMENT`
 * @example
 * procedure({ input: z.object({ city: z.string() }), output: z.number(), errors: { UnknownCity: z.string() } });
 */
export function procedure<
  I extends Schema | Nothing = Nothing,
  A extends Schema | Nothing = Nothing,
  O extends Schema | Nothing = Nothing,
  Y extends Schema | Nothing = Nothing,
  E extends ErrorSchemas = NoErrors,
>(definition: ProcedureDefinition<I, A, O, Y, E>): Procedure<I, A, O, Y, E> {
  if (typeof definition !== "object" || definition === null) {
    throw new EarshotError("INVALID_ARGUMENT", "Cannot make a procedure: its definition is an object");
  }
  const known: readonly string[] = [...PARTS, "errors", "summary"];
  const unknown = Object.keys(definition).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const fact = `Cannot make a procedure with ${JSON.stringify(unknown)}: it has ${known.join(", ")}`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  if (definition.output !== undefined && definition.yields !== undefined) {
    const fact = "Cannot make a procedure with output and yields: the items that it yields are its output";
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  for (const name of Object.keys(definition.errors ?? {})) assertName(name, "an error");
  return new Defined(definition as Procedure["definition"]) as unknown as Procedure<I, A, O, Y, E>;
}
