import { EarshotError } from "../errors.js";
import { type Chunks, isChunks } from "./chunks.js";
import type { FullReply } from "./handler.js";
import { Loan } from "./loan.js";

/** Anything can be thrown, also what `String` cannot take. */
export function describe(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function asFullReply(reply: unknown): FullReply {
  if (reply === undefined) return { data: "" };
  if (isData(reply)) return { data: reply };
  if (typeof reply === "object" && reply !== null && "data" in reply && isData(reply.data)) return reply as FullReply;
  const kind = reply === null ? "null" : typeof reply;
  const text = `a reply is a string, a Uint8Array, an async iterable of these, or nothing; the handler returned ${kind} (JSON.stringify it?)`;
  throw new EarshotError("INVALID_ARGUMENT", text);
}

function isData(value: unknown): value is string | Uint8Array | Chunks | Loan {
  return isBody(value) || value instanceof Loan || isChunks(value);
}

export function isBody(value: unknown): value is string | Uint8Array {
  return typeof value === "string" || value instanceof Uint8Array;
}
