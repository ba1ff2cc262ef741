import type { Client } from "../peer/client.js";
import type { Caller } from "./caller.js";
import type { Contract, ProcedureTree } from "./contract.js";
import { Plan } from "./plan.js";
import { checksOf, isProcedure } from "./procedure.js";
import type { Api, CallOptions } from "./types.js";

/** Where an api keeps its client: no name of a procedure can be the same. */
const CLIENT: unique symbol = Symbol("earshot.client");

/** Functions for all procedures of a contract, nested as they are. */
export function makeApi<C extends Contract>(caller: Caller, contract: C): Api<C> {
  const { client } = caller;
  const api = makeGroup(caller, contract, "");
  Object.defineProperty(api, CLIENT, { value: client });
  Object.defineProperty(api, Symbol.asyncDispose, { value: () => client.close() });
  return Object.freeze(api) as Api<C>;
}

function makeGroup(caller: Caller, tree: ProcedureTree, prefix: string): Record<string, unknown> {
  const group: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(tree)) {
    if (isProcedure(entry)) {
      const { kind, definition } = entry;
      const hasInput = definition.input !== undefined;
      const { address } = caller.client;
      const plan = new Plan(prefix + name, kind, hasInput, checksOf(entry), address, caller.codec.id);
      group[name] = callOf(caller, plan);
    } else group[name] = Object.freeze(makeGroup(caller, entry as ProcedureTree, `${prefix}${name}.`));
  }
  return group;
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
