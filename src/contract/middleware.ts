import { EarshotError } from "../errors.js";
import type { CallContext } from "./types.js";

/** What a call came to. Middleware hands it on; what it is, is between the handler and the caller. */
export interface Result<Added> {
  /** A type, and nothing at run time: what was added to the context. */
  readonly "~added"?: Added;
}

/**
 * Goes on to the next middleware or the handler. What is given here is in their context. Resolves when the call is over, for
 * streams when they have ended; rejects with what was thrown.
 */
export interface Next {
  (): Promise<Result<unknown>>;
  <Added extends object>(added: Added): Promise<Result<Added>>;
}

/** A function around each call. `Added` is what it adds to the context. */
export type Middleware<Added = unknown> = (call: CallContext, next: Next) => Promise<Result<Added>>;

/**
 * A function around each call, for logging, authorisation, tracing. It sees the call before its input is checked.
 *
 * @example
 * const signedIn = middleware(async (call, next) => {
 *   const user = users.get(call.peer.credentials?.uid);
 *   if (user === undefined) throw call.refuse("only people who are known here may call");
 *   return await next({ user }); // handlers find it as context.user
 * });
 */
export function middleware<Added = unknown>(run: Middleware<Added>): Middleware<Added> {
  return run;
}

/** What all of them add together. */
export type AddedBy<M extends readonly Middleware[]> = M extends readonly [Middleware<infer A>, ...infer Rest]
  ? Rest extends readonly Middleware[]
    ? A & AddedBy<Rest>
    : A
  : unknown;

/**
 * Runs a call inside all of them.
 *
 * @param add puts what a middleware has given into the context
 * @param run the handler, and all that belongs to it
 * @returns what `run` came to, when the outermost is done
 */
export async function runInside(
  middleware: readonly Middleware[],
  call: CallContext,
  add: (added: object) => void,
  run: () => unknown,
): Promise<unknown> {
  let outcome: { readonly value: unknown } | undefined;
  const step = async (index: number): Promise<Result<unknown>> => {
    const current = middleware[index];
    if (current === undefined) {
      outcome = { value: await run() };
      return {};
    }
    let isNext = false;
    const next = (added?: object) => {
      const twice = "Cannot go on: a middleware has called next twice";
      if (isNext) return Promise.reject(new EarshotError("INVALID_ARGUMENT", twice));
      isNext = true;
      if (added !== undefined) add(added);
      const going = step(index + 1);
      // A middleware that does not wait keeps what is thrown to itself; the process is not to end for that.
      going.catch(() => {});
      return going;
    };
    return await current(call, next);
  };
  await step(0);
  if (outcome !== undefined) return outcome.value;
  const fact = "Cannot answer: a middleware has neither called next nor thrown, or has kept what was thrown to itself";
  throw new EarshotError("INVALID_ARGUMENT", fact);
}
