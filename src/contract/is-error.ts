import { EarshotError } from "../errors.js";
import { type AnyProcedure, checksOf, type Procedure } from "./procedure.js";
import type { OutputOf } from "./schema.js";
import type { AnyErrorOf, DeclaredError, ErrorsOf } from "./types.js";

/**
 * Whether something that was caught is a declared error of a procedure, with the type of its data.
 *
 * @param name of the error; without it, any that the procedure declares, and `remoteCode` tells which
 * @example
 * try {
 *   await api.forecast({ city });
 * } catch (error) {
 *   if (isError(weather.forecast, error, "UnknownCity")) console.log(error.data.city);
 *   else throw error;
 * }
 */
export function isError<P extends AnyProcedure, N extends keyof ErrorsOf<P> & string>(
  procedure: P,
  error: unknown,
  name: N,
): error is DeclaredError<N, OutputOf<ErrorsOf<P>[N]>>;
export function isError<P extends AnyProcedure>(procedure: P, error: unknown): error is AnyErrorOf<P>;
export function isError(procedure: AnyProcedure, error: unknown, name?: string): boolean {
  if (!(error instanceof EarshotError) || error.code !== "PROCEDURE_FAILED") return false;
  const { remoteCode } = error;
  if (remoteCode === undefined || (name !== undefined && remoteCode !== name)) return false;
  return checksOf(procedure as Procedure).errors.has(remoteCode);
}
