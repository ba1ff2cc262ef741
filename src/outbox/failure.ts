import { EarshotError, type ErrorCode } from "../errors.js";

/** What is kept of the attempts of a message that is not delivered yet. Times are of the wall clock. */
export interface Failure {
  /** How often it was tried. */
  readonly attempts: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** Of the last attempt. */
  readonly code: ErrorCode;
  readonly message: string;
  readonly remoteCode?: string | undefined;
  /** The connection broke while it and others were handled: nobody knows which of them did it. */
  readonly isSuspect?: boolean | undefined;
}

/** Why a message is a dead letter. */
export interface Reason {
  /** `"EXPIRED"`: its time was over before it was delivered. Otherwise the code of the last error. */
  readonly code: ErrorCode | "EXPIRED";
  /** For people. */
  readonly message: string;
  /** With `HANDLER_FAILED`: the handler's own code. */
  readonly remoteCode?: string | undefined;
  /** How often it was tried; 0 if it never was. */
  readonly attempts: number;
  /** Of the wall clock; `undefined` if it was never tried. */
  readonly firstAttemptAt?: number | undefined;
  /** The same. */
  readonly lastAttemptAt?: number | undefined;
  /** When it became a dead letter. */
  readonly deadAt: number;
}

/**
 * What a failed attempt means:
 * - `"dead"`: it would fail again, however often it is tried.
 * - `"later"`: the handler failed, or took too long. It is tried again, until it was tried often enough.
 * - `"lost"`: the connection broke while it was handled.
 * - `"away"`: it never reached a handler. Nothing is wrong with the message: the server is away, or takes nothing.
 */
export type Verdict = "dead" | "later" | "lost" | "away";

/** What is wrong with the message itself, and stays so. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set([
  "MESSAGE_TOO_LARGE",
  "INVALID_ARGUMENT",
  "UNSUPPORTED",
  "INVALID_INPUT",
  "UNKNOWN_PROCEDURE",
]);

export function judge(error: EarshotError, isPermanent: (error: EarshotError) => boolean): Verdict {
  const { code, delivery, op } = error;
  // What fails while a connection is made says nothing of the message.
  if ((HOPELESS.has(code) && op !== "dial") || isPermanent(error)) return "dead";
  if (code === "HANDLER_FAILED" || code === "PROCEDURE_FAILED") return "later";
  if (delivery === "unsent" || op === "dial" || code === "OVERLOADED") return "away";
  return code === "CONNECTION_LOST" || code === "CONNECTION_CLOSED" ? "lost" : "later";
}

const MAX_TEXT = 2_000;

/** `undefined`: it is not what was written, and its message counts as not tried yet. */
export function parseFailure(text: string): Failure | undefined {
  try {
    const failure: Failure | null = JSON.parse(text);
    const isUsable = [failure?.attempts, failure?.firstAt, failure?.lastAt].every(Number.isFinite);
    return isUsable && typeof failure?.code === "string" && typeof failure.message === "string" ? failure : undefined;
  } catch {
    return undefined;
  }
}

export function failureAfter(
  before: Failure | undefined,
  error: EarshotError,
  now: number,
  isSuspect: boolean,
): Failure {
  return {
    attempts: (before?.attempts ?? 0) + 1,
    firstAt: before?.firstAt ?? now,
    lastAt: now,
    code: error.code,
    message: error.message.slice(0, MAX_TEXT),
    ...(error.remoteCode === undefined ? {} : { remoteCode: error.remoteCode.slice(0, MAX_TEXT) }),
    ...(isSuspect ? { isSuspect } : {}),
  };
}

export function reasonOf(failure: Failure, now: number): Reason {
  const { attempts, firstAt, lastAt, code, message, remoteCode } = failure;
  const details = remoteCode === undefined ? {} : { remoteCode };
  return { code, message, ...details, attempts, firstAttemptAt: firstAt, lastAttemptAt: lastAt, deadAt: now };
}

/** A message that cannot be read is not tried. */
export function damage(error: unknown, now: number): Reason {
  const { code, message } = toError(error);
  return { code, message, attempts: 0, deadAt: now };
}

export function expiry(expiresAt: number, before: Failure | undefined, now: number): Reason {
  const text = `it was to be delivered by ${new Date(expiresAt).toISOString()}`;
  const last =
    before === undefined ? "and was not tried" : `the last attempt failed with ${before.code}: ${before.message}`;
  return {
    code: "EXPIRED",
    message: `${text}; ${last}`,
    attempts: before?.attempts ?? 0,
    ...(before === undefined ? {} : { firstAttemptAt: before.firstAt, lastAttemptAt: before.lastAt }),
    deadAt: now,
  };
}

/** Whatever a delivery rejected with. */
export function toError(error: unknown): EarshotError {
  if (error instanceof EarshotError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new EarshotError("SYSTEM_ERROR", text, { cause: error, op: "send", delivery: "unknown" });
}
