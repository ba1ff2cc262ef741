/**
 * The closed list of what can go wrong. README, "Errors", has a heading for each, with its remedy.
 *
 * Codes say what a program can do about it; the message says what happened, with its values.
 */
export type ErrorCode =
  | "INVALID_ARGUMENT"
  | "INVALID_ADDRESS"
  | "ADDRESS_TOO_LONG"
  | "ADDRESS_IN_USE"
  | "NOT_A_SOCKET"
  | "UNSAFE_DIRECTORY"
  | "PERMISSION_DENIED"
  | "PEER_REFUSED"
  | "UNSUPPORTED"
  | "NO_SERVER"
  | "START_FAILED"
  | "TIMEOUT"
  | "CANCELLED"
  | "CONNECTION_LOST"
  | "CONNECTION_CLOSED"
  | "HANDLER_FAILED"
  | "MESSAGE_TOO_LARGE"
  | "OVERLOADED"
  | "VERSION_MISMATCH"
  | "PROTOCOL_VIOLATION"
  | "INVALID_JSON"
  | "CONTRACT_MISMATCH"
  | "UNKNOWN_PROCEDURE"
  | "INVALID_INPUT"
  | "INVALID_OUTPUT"
  | "PROCEDURE_FAILED"
  | "STORE_FULL"
  | "STORE_DAMAGED"
  | "SYSTEM_ERROR";

/** What was being done when it went wrong. */
export type Operation =
  | "parse"
  | "listen"
  | "dial"
  | "send"
  | "receive"
  | "ping"
  | "close"
  | "call"
  | "subscribe"
  | "open"
  | "post";

/**
 * Whether a message that was not acknowledged may have reached a handler: `"unsent"` means surely not, so that
 * sending it again is safe; `"unknown"` means that it may have been handled.
 */
export type Delivery = "unsent" | "unknown";

/** What is wrong with a part of a value, as its schema says. */
export interface Issue {
  /** In the validator's words. */
  readonly message: string;
  /** Where in the value: property names and indices, from outside in; empty for the value itself. */
  readonly path: readonly (string | number)[];
}

/** What an error is made with, besides its code and message: see the members of `EarshotError`. */
export interface ErrorDetails {
  /** What was being done. */
  readonly op?: Operation | undefined;
  /** Where, in the `unix:` form. */
  readonly address?: string | undefined;
  /** What led to it: a system error, the reason of a signal, an error of a source. */
  readonly cause?: unknown;
  /** Whether a handler may have seen the message. */
  readonly delivery?: Delivery | undefined;
  /** The other side's own code, or the name of a declared error. */
  readonly remoteCode?: string | undefined;
  /** The full name of a procedure. */
  readonly procedure?: string | undefined;
  /** What is wrong with an input or output. */
  readonly issues?: readonly Issue[] | undefined;
  /** What a declared error says. */
  readonly data?: unknown;
  /** When to come back, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** The only error class that earshot throws or rejects with. */
export class EarshotError extends Error {
  /** Always this. */
  override readonly name = "EarshotError";
  /** What a program can go by. */
  readonly code: ErrorCode;
  /** What was being done. */
  readonly op: Operation | undefined;
  /** The address it was done at, in its `unix:` form. */
  readonly address: string | undefined;
  /** Set when a `send`, a `ping` or a call fails on its way: can the handler have seen the message? */
  readonly delivery: Delivery | undefined;
  /**
   * With `HANDLER_FAILED`: the `code` of the error that the other side's handler threw, if it had one. With
   * `PROCEDURE_FAILED`: the name of the declared error.
   */
  readonly remoteCode: string | undefined;
  /** When a procedure of a contract was called: its name. */
  readonly procedure: string | undefined;
  /** With `INVALID_INPUT` and `INVALID_OUTPUT`: what is wrong. */
  readonly issues: readonly Issue[] | undefined;
  /** With `PROCEDURE_FAILED`: what the declared error says; `isError` knows its type. */
  readonly data: unknown;
  /** With `OVERLOADED`: after how long it may be worth trying again, in milliseconds, if the other side says. */
  readonly retryAfterMs: number | undefined;

  /** For earshot itself; programs only catch it. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.op = details.op;
    this.address = details.address;
    this.delivery = details.delivery;
    this.remoteCode = details.remoteCode;
    this.procedure = details.procedure;
    this.issues = details.issues;
    this.data = details.data;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** The `errno` name of a system error (`"ENOENT"`), or `undefined` for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

const TRANSLATIONS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ["NO_SERVER", "there is no such file. Is the server running, and is this its address?"],
  ECONNREFUSED: ["NO_SERVER", "nobody listens there; the socket file is left from a server that is gone"],
  ENOTSOCK: ["NOT_A_SOCKET", "the file there is not a socket"],
  EPROTOTYPE: ["NOT_A_SOCKET", "the socket there is not a stream socket (another kind of program owns it)"],
  ENOTDIR: ["INVALID_ADDRESS", "a part of the path is not a directory"],
  ELOOP: ["INVALID_ADDRESS", "the path has too many symbolic links"],
  ENAMETOOLONG: ["ADDRESS_TOO_LONG", "the path is too long for a socket"],
  EACCES: ["PERMISSION_DENIED", "permission denied. Check the mode and owner of the socket file and its directories"],
  EPERM: ["PERMISSION_DENIED", "the operation is not permitted for this user"],
  EROFS: ["PERMISSION_DENIED", "the file system is read-only"],
  EADDRINUSE: ["ADDRESS_IN_USE", "the address is already in use"],
  EAGAIN: ["OVERLOADED", "the server's queue of new connections is full"],
  EMFILE: ["OVERLOADED", "this process has no file descriptors left (see `ulimit -n`)"],
  ENFILE: ["OVERLOADED", "the system has no file descriptors left"],
  ECONNRESET: ["CONNECTION_LOST", "the other side closed the connection before it had read everything"],
  EPIPE: ["CONNECTION_LOST", "the other side has closed the connection"],
  ENOTCONN: ["CONNECTION_LOST", "the other side has closed the connection"],
};

const ACTIONS: Readonly<Record<Operation, string>> = {
  parse: "Cannot use",
  listen: "Cannot listen on",
  dial: "Cannot dial",
  send: "Cannot send to",
  receive: "Cannot receive from",
  ping: "Cannot ping",
  close: "Cannot close",
  call: "Cannot call",
  subscribe: "Cannot subscribe at",
  open: "Cannot open",
  post: "Cannot post to",
};

/** An error in the house form: the action, the address, a colon, the fact. */
export function failure(
  code: ErrorCode,
  op: Operation,
  address: string,
  fact: string,
  details: ErrorDetails = {},
): EarshotError {
  const place = JSON.stringify(address);
  const what = details.procedure === undefined ? place : `${details.procedure} at ${place}`;
  return new EarshotError(code, `${ACTIONS[op]} ${what}: ${fact}`, { ...details, op, address });
}

/** What an error says besides what was being done, and where: for an error of something else that failed because of it. */
export function factOf({ op, address, message }: EarshotError): string {
  const prefix = op === undefined || address === undefined ? "" : `${ACTIONS[op]} ${JSON.stringify(address)}: `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}

/**
 * Translates whatever a system call threw, once, at the place where it enters; an `EarshotError` passes unchanged.
 *
 * @param fact replaces the general explanation where the caller knows more.
 */
export function fromSystem(error: unknown, op: Operation, address: string, fact?: string): EarshotError {
  if (error instanceof EarshotError) return error;
  const [code, text] = explain(error, fact);
  return failure(code, op, address, text, { cause: error });
}

/** As `fromSystem`, for where it is not known yet what fails because of it: the message is only the fact. */
export function systemFact(error: unknown): EarshotError {
  const [code, text] = explain(error);
  return new EarshotError(code, text, { cause: error });
}

function explain(error: unknown, fact?: string): [ErrorCode, string] {
  const code = systemCode(error);
  const known = code === undefined ? undefined : TRANSLATIONS[code];
  const text = fact ?? known?.[1] ?? (error instanceof Error ? error.message : String(error));
  return [known?.[0] ?? "SYSTEM_ERROR", code === undefined ? text : `${text} (${code})`];
}
