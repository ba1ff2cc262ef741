import type { Client } from "../peer/client.js";
import type { Caller } from "./caller.js";
import { aboutOf, type Contract } from "./contract.js";
import { Plan } from "./plan.js";
import { checksOf } from "./procedure.js";
import type { Api, CallOptions } from "./types.js";

/** Where an api keeps its client: no name of a procedure can be the same. */
const CLIENT: unique symbol = Symbol("earshot.client");

type Procedures = { [name: string]: unknown };

/** Functions for all procedures of a contract, nested as they are. */
export function makeApi<C extends Contract>(caller: Caller, contract: C): Api<C> {
  const { client } = caller;
  const root: Procedures = {};
  for (const [full, procedure] of aboutOf(contract).procedures) {
    const hasInput = procedure.definition.input !== undefined;
    const plan = new Plan(full, procedure.kind, hasInput, checksOf(procedure), client.address, caller.codec.id);
    const path = full.split(".");
    const name = path.pop() ?? full;
    let group = root;
    for (const part of path) {
      group[part] ??= {};
      group = group[part] as Procedures;
    }
    group[name] = callOf(caller, plan);
  }
  Object.defineProperty(root, CLIENT, { value: client });
  Object.defineProperty(root, Symbol.asyncDispose, { value: () => client.close() });
  return freeze(root) as Api<C>;
}

function freeze(group: Procedures): Procedures {
  for (const member of Object.values(group)) if (typeof member === "object") freeze(member as Procedures);
  return Object.freeze(group);
}

/** A function whose arguments are the input, the items, and the options: those of them that the procedure has. */
function callOf(caller: Caller, plan: Plan): (...args: never[]) => unknown {
  const { hasInput, accepts, yields } = plan;
  if (accepts || yields) {
    const begin = (input: unknown, items: unknown, options: CallOptions | undefined) =>
      yields ? caller.stream(plan, input, items, options) : caller.upload(plan, input, items, options);
    if (!hasInput && !accepts) return (options?: CallOptions) => begin(undefined, undefined, options);
    if (!hasInput) return (items: unknown, options?: CallOptions) => begin(undefined, items, options);
    if (!accepts) return (input: unknown, options?: CallOptions) => begin(input, undefined, options);
    return begin;
  }
  if (hasInput) return (input: unknown, options?: CallOptions) => caller.unary(plan, input, options);
  return (options?: CallOptions) => caller.unary(plan, undefined, options);
}

/**
 * The client under an api: for `close`, `closed`, `ping`, `address` and messages that are no calls. An api has procedures
 * only, so that no name of them is taken.
 */
export function clientOf(api: object): Client {
  return (api as { readonly [CLIENT]: Client })[CLIENT];
}
