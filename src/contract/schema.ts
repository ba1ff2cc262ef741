import { EarshotError, type Issue } from "../errors.js";

/**
 * What a validator must have: the part of Standard Schema (standardschema.dev, version 1) that is used here. zod, valibot,
 * arktype and others have it.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** Where a validator keeps it. */
  readonly "~standard": {
    /** Of Standard Schema. */
    readonly version: 1;
    /** The validator's name. */
    readonly vendor: string;
    /** What it makes of a value, or what is wrong with it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Types only: what goes in, and what comes out. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a validator says: a value, or what is wrong. */
export type SchemaResult<Output> =
  | {
      /** What the schema makes of it. */
      readonly value: Output;
      /** None. */
      readonly issues?: undefined;
    }
  | {
      /** One or more. */
      readonly issues: readonly SchemaIssue[];
    };

/** What a validator finds wrong. */
export interface SchemaIssue {
  /** For people. */
  readonly message: string;
  /** Where, from outside in; missing for the value itself. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A type without a validator: what comes is believed to be of it. */
export interface TypeOnly<T> {
  /** What tells it from a validator. */
  readonly "~type": { readonly of?: T };
}

/** Either of them. */
export type Schema = StandardSchema | TypeOnly<unknown>;

/** Where a procedure has no schema. */
export interface Nothing {
  /** No value has it: a type, and nothing at run time. */
  readonly "~nothing": true;
}

/** What may be given to a schema. */
export type InputOf<S> =
  S extends TypeOnly<infer T>
    ? T
    : S extends { readonly "~standard": { readonly types?: infer T } }
      ? NonNullable<T> extends { readonly input: infer I }
        ? I
        : unknown
      : undefined;

/** What a schema makes of it. */
export type OutputOf<S> =
  S extends TypeOnly<infer T>
    ? T
    : S extends { readonly "~standard": { readonly types?: infer T } }
      ? NonNullable<T> extends { readonly output: infer O }
        ? O
        : unknown
      : undefined;

/**
 * A type without a validator. For what nobody else can send: a server believes what it gets.
 *
 * @example
 * procedure({ input: type<{ city: string }>(), output: type<number>() });
 */
export function type<T>(): TypeOnly<T> {
  return { "~type": {} };
}

export type Validate = StandardSchema["~standard"]["validate"];

/** The validator of a schema; `undefined` where there is nothing to check. @throws EarshotError `INVALID_ARGUMENT` */
export function validatorOf(schema: unknown, what: string): Validate | undefined {
  if (schema === undefined) return undefined;
  const isObject = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  if (isObject && "~type" in schema) return undefined;
  const standard = isObject && "~standard" in schema ? (schema as StandardSchema)["~standard"] : undefined;
  if (standard?.version === 1 && typeof standard.validate === "function") return (value) => standard.validate(value);
  const fact = `${what}: it is a Standard Schema (zod, valibot, arktype, ...) or type<T>()`;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use ${fact}`);
}

const MAX_ISSUES = 32;
const MAX_TEXT = 1_000;

/** A validator's issues as they travel: at most 32, each text and path cut to what people read. */
export function plainIssues(issues: readonly SchemaIssue[]): Issue[] {
  return issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => ({
    message: String(message).slice(0, MAX_TEXT),
    path: path.slice(0, MAX_ISSUES).map((part) => plainKey(typeof part === "object" ? part.key : part)),
  }));
}

function plainKey(key: PropertyKey): string | number {
  return typeof key === "number" ? key : String(key).slice(0, MAX_TEXT);
}

/** Issues in one line: `city: expected a string; days[2]: too large`. */
export function issuesText(issues: readonly Issue[]): string {
  const texts = issues.slice(0, 8).map(({ message, path }) => {
    const place = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
    return place === "" ? message : `${place.replace(/^\./, "")}: ${message}`;
  });
  if (issues.length > texts.length) texts.push(`and ${issues.length - texts.length} more`);
  return texts.join("; ");
}
