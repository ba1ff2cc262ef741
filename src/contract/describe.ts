import { EarshotError, failure } from "../errors.js";
import type { Client } from "../peer/client.js";
import { type DialOptions, dial } from "../peer/dial.js";
import type { WaitOptions } from "../peer/pending.js";
import { CODEC_NAMES } from "./codecs.js";
import { aboutOf, type Contract } from "./contract.js";
import { NO_DESCRIPTORS } from "./limits.js";
import type { Procedure, ProcedureKind } from "./procedure.js";

/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Describes a schema; `undefined` for what it cannot. With valibot: `toJsonSchema` of @valibot/to-json-schema. */
export type ToJsonSchema = (schema: never) => JsonSchema | undefined;

/** A procedure as it is told to those who ask. Schemas that cannot be described are missing. */
export interface ProcedureDescription {
  /** The full one, as `admin.users.list`. */
  readonly name: string;
  /** Who streams. */
  readonly kind: ProcedureKind;
  /** As its definition has it. */
  readonly summary?: string;
  /** Whether calls have an input, described or not. */
  readonly hasInput: boolean;
  /** What may be given to a call. */
  readonly input?: JsonSchema;
  /** Each item of the caller's. */
  readonly accepts?: JsonSchema;
  /** What a call resolves with. */
  readonly output?: JsonSchema;
  /** Each item of the server's. */
  readonly yields?: JsonSchema;
  /** The declared errors, by name, and what their data is. */
  readonly errors?: Readonly<Record<string, JsonSchema | true>>;
}

/** A contract as it is told to those who ask. */
export interface ContractDescription {
  /** The contract's. */
  readonly name: string;
  /** `major.minor.patch`. */
  readonly version: string;
  /** By name: how values may travel. */
  readonly codecs: readonly string[];
  /** In the contract's order. */
  readonly procedures: readonly ProcedureDescription[];
}

type Side = "input" | "output";

export function describeContract(contract: Contract, toJsonSchema?: ToJsonSchema): ContractDescription {
  const { name, version, procedures } = aboutOf(contract);
  const described = Array.from(procedures, ([full, procedure]) => describeProcedure(full, procedure, toJsonSchema));
  return { name, version, codecs: CODEC_NAMES, procedures: described };
}

function describeProcedure(
  name: string,
  { kind, definition }: Procedure,
  toJsonSchema: ToJsonSchema | undefined,
): ProcedureDescription {
  const { summary, input, accepts, output, yields, errors } = definition;
  const parts: [string, unknown, Side][] = [
    ["input", input, "input"],
    ["accepts", accepts, "input"],
    ["output", output, "output"],
    ["yields", yields, "output"],
  ];
  const schemas = parts.flatMap(([part, schema, side]) => {
    const described = describeSchema(schema, side, toJsonSchema);
    return described === undefined ? [] : [[part, described] as const];
  });
  const declared = Object.entries(errors ?? {}).map(
    ([error, schema]) => [error, describeSchema(schema, "output", toJsonSchema) ?? true] as const,
  );
  return {
    name,
    kind,
    ...(summary === undefined ? {} : { summary }),
    hasInput: input !== undefined,
    ...Object.fromEntries(schemas),
    ...(declared.length === 0 ? {} : { errors: Object.fromEntries(declared) }),
  };
}

interface Converters {
  readonly "~standard"?: {
    readonly jsonSchema?: Readonly<Record<Side, (options: { readonly target: string }) => JsonSchema>>;
  };
}

/** By the validator's own converter (Standard JSON Schema), or by the one that was given. */
function describeSchema(schema: unknown, side: Side, toJsonSchema: ToJsonSchema | undefined): JsonSchema | undefined {
  if (schema === undefined) return undefined;
  try {
    const own = (schema as Converters)["~standard"]?.jsonSchema?.[side]({ target: "draft-2020-12" });
    const described = own ?? toJsonSchema?.(schema as never);
    // What has no JSON, as a default that is a BigInt, is found here and not when somebody asks.
    return described === undefined ? undefined : (JSON.parse(JSON.stringify(described)) as JsonSchema);
  } catch {
    // Not all that can be checked can be described.
    return undefined;
  }
}

/** What it means that a server does not tell its contract. */
const FACTS = {
  UNSUPPORTED: "no contract is served there; it takes messages (`send`)",
  TIMEOUT:
    "it does not say in time what it has; it is busy, hangs, or takes only the plain wire (`earshot doctor` tells)",
} as const;

/** Asks over a connection that is there. @throws EarshotError `UNSUPPORTED` where no contract is served */
export async function describeOver(client: Client, options: WaitOptions): Promise<ContractDescription> {
  try {
    const reply = await client.system({ do: "describe" }, options);
    return reply.json() as ContractDescription;
  } catch (error) {
    if (!(error instanceof EarshotError) || !(error.code in FACTS)) throw error;
    const { code } = error;
    throw failure(code, "call", client.address, FACTS[code as keyof typeof FACTS], { cause: error });
  }
}

/**
 * What a server's contract has: procedures, their kinds, and JSON Schema of what can be described.
 *
 * @param address as for `dial`
 * @throws EarshotError `UNSUPPORTED` where no contract is served, and as `dial`
 */
export async function describe(
  address: string,
  options: Omit<DialOptions, "wire"> & WaitOptions = {},
): Promise<ContractDescription> {
  const { timeoutMs, ...rest } = options;
  const client = await dial(address, { ...rest, ...NO_DESCRIPTORS });
  try {
    return await describeOver(client, { timeoutMs, signal: options.signal });
  } finally {
    await client.close({ graceMs: 0 });
  }
}
