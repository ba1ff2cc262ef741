import { EarshotError } from "../errors.js";
import { MAX_NAME_BYTES } from "./limits.js";
import { type AnyProcedure, assertName, isProcedure, type Procedure } from "./procedure.js";
import { parseVersion } from "./version.js";

/** Procedures by name, and groups of them. */
export interface ProcedureTree {
  readonly [name: string]: AnyProcedure | ProcedureTree;
}

/** Where a contract keeps what is not a procedure: no name of a procedure can be the same. */
const ABOUT: unique symbol = Symbol("earshot.contract");

interface About {
  readonly name: string;
  readonly version: string;
  /** By full name: `admin.users.list`. */
  readonly procedures: ReadonlyMap<string, Procedure>;
}

/** What `contract` makes: the procedures under their names. */
export type Contract<T extends ProcedureTree = ProcedureTree> = T & {
  /** Its name and version, for earshot itself. */
  readonly [ABOUT]: About;
};

const MAX_TEXT = 256;

/**
 * Names procedures once, for both sides.
 *
 * @param name the same on both sides
 * @param version `major.minor.patch`. Sides of the same major version work together (before 1.0.0: of the same minor); so
 * a change that an older side would not understand needs the next major version.
 * @param procedures by name, nested as you like: `admin: { users: { list: procedure(...) } }` is `admin.users.list`
 * @throws EarshotError `INVALID_ARGUMENT`
 * @example
 * export const weather = contract("weather", "1.4.0", {
 *   forecast: procedure({ input: z.object({ city: z.string() }), output: Forecast }),
 *   watch: procedure({ input: z.string(), yields: Reading }),
 * });
 */
export function contract<const T extends ProcedureTree>(name: string, version: string, procedures: T): Contract<T> {
  if (typeof name !== "string" || name.length === 0 || name.length > MAX_TEXT) {
    const fact = `Cannot name a contract ${JSON.stringify(name)}: it is a text of 1 to ${MAX_TEXT} characters`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  if (typeof version !== "string" || version.length > MAX_TEXT || parseVersion(version) === undefined) {
    const fact = `Cannot use version ${JSON.stringify(version)} of contract ${JSON.stringify(name)}`;
    throw new EarshotError("INVALID_ARGUMENT", `${fact}: it is major.minor.patch, as in "1.4.0"`);
  }
  const found = new Map<string, Procedure>();
  collect(procedures, "", found);
  const about: About = { name, version, procedures: found };
  return Object.freeze({ ...procedures, [ABOUT]: about });
}

function collect(tree: ProcedureTree, prefix: string, found: Map<string, Procedure>): void {
  for (const [name, entry] of Object.entries(tree)) {
    const full = prefix + name;
    assertName(name, "a procedure");
    if (Buffer.byteLength(full) > MAX_NAME_BYTES) {
      const fact = `Cannot call a procedure ${JSON.stringify(full)}: a full name has at most ${MAX_NAME_BYTES} bytes`;
      throw new EarshotError("INVALID_ARGUMENT", fact);
    }
    if (isProcedure(entry)) found.set(full, entry);
    else if (typeof entry === "object" && entry !== null) collect(entry as ProcedureTree, `${full}.`, found);
    else {
      const fact = `Cannot use ${full}: it is procedure({ ... }) or an object of procedures`;
      throw new EarshotError("INVALID_ARGUMENT", fact);
    }
  }
}

/** Its name, version and procedures. @throws EarshotError `INVALID_ARGUMENT` for what is no contract */
export function aboutOf(value: Contract): About {
  const about = typeof value === "object" && value !== null ? value[ABOUT] : undefined;
  if (about !== undefined) return about;
  throw new EarshotError("INVALID_ARGUMENT", "Cannot use this contract: it is what contract(...) has made");
}
