/**
 * Procedures that are named once and typed on both sides: {@link contract}, {@link serve} and {@link connect}.
 *
 * @module earshot/contract
 */
export { clientOf } from "./api.js";
export type { CodecName } from "./codec.js";
export { type ConnectOptions, connect } from "./connect.js";
export { AnyApi, type AnyCallOptions, connectAny } from "./connect-any.js";
export { type Contract, contract, type ProcedureTree } from "./contract.js";
export {
  type ContractDescription,
  describe,
  type JsonSchema,
  type ProcedureDescription,
  type ToJsonSchema,
} from "./describe.js";
export { isError } from "./is-error.js";
export { type AddedBy, type Middleware, middleware, type Next, type Result } from "./middleware.js";
export {
  type AnyProcedure,
  type ErrorSchemas,
  type NoErrors,
  type Procedure,
  type ProcedureDefinition,
  type ProcedureKind,
  procedure,
} from "./procedure.js";
export {
  type InputOf,
  type Nothing,
  type OutputOf,
  type Schema,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  type TypeOnly,
  type,
} from "./schema.js";
export { type ServeOptions, serve } from "./serve.js";
export type {
  AnyErrorOf,
  Api,
  CallContext,
  CallOptions,
  DeclaredError,
  ErrorsOf,
  Handlers,
  Items,
  Stream,
} from "./types.js";
