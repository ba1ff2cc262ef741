import type { ErrorCode } from "../index.js";

/** How the process ends. Scripts depend on the numbers: they never change. */
export const Exit = {
  OK: 0,
  FAILED: 1,
  USAGE: 2,
  NO_SERVER: 3,
  REFUSED: 4,
  HANDLER_FAILED: 5,
  TIMEOUT: 6,
  CONNECTION_LOST: 7,
  PROCEDURE_FAILED: 8,
} as const;

export type ExitCode = (typeof Exit)[keyof typeof Exit];

/** What each means, as `--help` tells it. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  [Exit.OK]: "acknowledged; listen: ended as it was asked to",
  [Exit.FAILED]: "anything else",
  [Exit.USAGE]: "the command line, the address or the procedure is wrong",
  [Exit.NO_SERVER]: "there is no server at the address",
  [Exit.REFUSED]: "refused: no permission, address in use, version mismatch, input not valid, too large, overloaded",
  [Exit.HANDLER_FAILED]: "the other side's handler failed",
  [Exit.TIMEOUT]: "timed out",
  [Exit.CONNECTION_LOST]: "the connection broke before the answer",
  [Exit.PROCEDURE_FAILED]: "the procedure failed with an error that its contract declares",
};

/** How the process ends after each error of the library. */
export const EXIT_OF_ERROR: Readonly<Record<ErrorCode, ExitCode>> = {
  INVALID_ARGUMENT: Exit.USAGE,
  INVALID_ADDRESS: Exit.USAGE,
  ADDRESS_TOO_LONG: Exit.USAGE,
  ADDRESS_IN_USE: Exit.REFUSED,
  NOT_A_SOCKET: Exit.REFUSED,
  UNSAFE_DIRECTORY: Exit.REFUSED,
  PERMISSION_DENIED: Exit.REFUSED,
  PEER_REFUSED: Exit.REFUSED,
  UNSUPPORTED: Exit.FAILED,
  NO_SERVER: Exit.NO_SERVER,
  START_FAILED: Exit.NO_SERVER,
  TIMEOUT: Exit.TIMEOUT,
  CANCELLED: Exit.FAILED,
  CONNECTION_LOST: Exit.CONNECTION_LOST,
  CONNECTION_CLOSED: Exit.CONNECTION_LOST,
  HANDLER_FAILED: Exit.HANDLER_FAILED,
  MESSAGE_TOO_LARGE: Exit.REFUSED,
  OVERLOADED: Exit.REFUSED,
  VERSION_MISMATCH: Exit.REFUSED,
  PROTOCOL_VIOLATION: Exit.FAILED,
  INVALID_JSON: Exit.FAILED,
  CONTRACT_MISMATCH: Exit.REFUSED,
  UNKNOWN_PROCEDURE: Exit.USAGE,
  INVALID_INPUT: Exit.REFUSED,
  INVALID_OUTPUT: Exit.HANDLER_FAILED,
  PROCEDURE_FAILED: Exit.PROCEDURE_FAILED,
  STORE_FULL: Exit.REFUSED,
  STORE_DAMAGED: Exit.FAILED,
  SYSTEM_ERROR: Exit.FAILED,
};
