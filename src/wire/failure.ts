import type { ErrorCode } from "../errors.js";
import { violation } from "./decode.js";
import { encodeControl } from "./encode.js";

/** The codes of RESET and GOAWAY, as PROTOCOL.md lists them. */
export const FailureCode = {
  CONNECTION_CLOSED: 0,
  CANCELLED: 1,
  TIMEOUT: 2,
  HANDLER_FAILED: 3,
  MESSAGE_TOO_LARGE: 4,
  OVERLOADED: 5,
  PROTOCOL_VIOLATION: 6,
  VERSION_MISMATCH: 7,
  PEER_REFUSED: 8,
  UNSUPPORTED: 9,
  CONTRACT_MISMATCH: 10,
  UNKNOWN_PROCEDURE: 11,
} as const satisfies Partial<Record<ErrorCode, number>>;

export type FailureName = keyof typeof FailureCode;

/** Why an exchange or a connection ended, as it travels. */
export interface Failure {
  readonly code: FailureName;
  readonly text: string;
  /** The `code` of what a handler threw; `""` for none. */
  readonly remoteCode: string;
}

/** Longer texts are cut: an error must not become a way to send a message. In UTF-16 units, so at most thrice in bytes. */
export const MAX_FAILURE_TEXT = 2_000;
const MAX_REMOTE_CODE = 200;

const NAMES = new Map(Object.entries(FailureCode).map(([name, code]) => [code as number, name as FailureName]));

/** True for the errors that can travel. */
export function isFailureName(code: string): code is FailureName {
  return Object.hasOwn(FailureCode, code);
}

/** A RESET or GOAWAY: `u16 code, u16 length of the remote code, remote code, text`, little-endian and UTF-8. */
export function encodeFailure(type: number, exchange: number, failure: Failure): Buffer {
  const remoteCode = Buffer.from(failure.remoteCode.slice(0, MAX_REMOTE_CODE));
  const text = Buffer.from(failure.text.slice(0, MAX_FAILURE_TEXT));
  const payload = Buffer.allocUnsafe(4 + remoteCode.length + text.length);
  payload.writeUInt16LE(FailureCode[failure.code], 0);
  payload.writeUInt16LE(remoteCode.length, 2);
  remoteCode.copy(payload, 4);
  text.copy(payload, 4 + remoteCode.length);
  return encodeControl(type, exchange, payload);
}

/** The name of a code. */
export function decodeFailureCode(code: number): FailureName {
  return NAMES.get(code) ?? "CONNECTION_CLOSED";
}

/** Unknown codes read as `CONNECTION_CLOSED`, so that later versions may add some. */
export function decodeFailure(payload: Buffer): Failure {
  if (payload.length < 4) throw violation("a failure of fewer than 4 bytes");
  const textStart = 4 + payload.readUInt16LE(2);
  if (textStart > payload.length) throw violation("a failure whose fields are longer than its frame");
  return {
    code: decodeFailureCode(payload.readUInt16LE(0)),
    remoteCode: payload.toString("utf8", 4, textStart),
    text: payload.toString("utf8", textStart),
  };
}
