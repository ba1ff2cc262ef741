import type { EarshotError } from "../errors.js";

/** Its connection is being made. */
export interface Connecting {
  /** Which of the four it is. */
  readonly kind: "connecting";
  /** Counted from 1, since there was a good one. */
  readonly attempt: number;
}

/** It has a connection. On the plain wire: the server has answered the last attempt. */
export interface Open {
  /** Which of the four it is. */
  readonly kind: "open";
}

/** It has none, and will make the next one. */
export interface Waiting {
  /** Which of the four it is. */
  readonly kind: "waiting";
  /** Which attempt is the next. */
  readonly attempt: number;
  /** When it is made, in milliseconds of `performance.now()`, if the server does not appear before; `undefined`: when there is something to send. */
  readonly retryAt: number | undefined;
  /** Why there is none; `undefined` before the first. */
  readonly cause: EarshotError | undefined;
}

/** It is closed for good. */
export interface Closed {
  /** Which of the four it is. */
  readonly kind: "closed";
  /** Why. */
  readonly cause: EarshotError;
}

/** Where a client is with its connection. */
export type ClientState = Connecting | Open | Waiting | Closed;

/** How a client comes to its next connection. */
export interface ReconnectOptions {
  /** The pause after the first failure is any time up to this, in milliseconds; default 50. It doubles with each. */
  readonly minDelayMs?: number | undefined;
  /** The longest that it grows to, in milliseconds; default 5,000. */
  readonly maxDelayMs?: number | undefined;
  /**
   * Whether to come back also while there is nothing to send; default `false`: a lost connection is made again when the next
   * message needs it, so that a client at rest costs nothing, and keeps no server from leaving.
   */
  readonly whenIdle?: boolean | undefined;
}

/**
 * What becomes of a message whose connection is not there, or is lost:
 *
 * - `false`: it fails at once, with the cause. One that finds no connection makes one attempt to connect.
 * - `"unsent"`: as long as surely no handler has seen it, it waits for a connection and is sent again.
 * - `"idempotent"`: also when a handler may have seen it. It goes with the same id each time, a random one unless it was
 *   given one, and a server that remembers the id answers with the reply that it gave then. Framed wire only.
 *
 * It waits until `timeoutMs` is over or `signal` aborts: without either for as long as it takes. With `reconnect: false` there is no
 * connection to wait for: only what the server has no place for is sent again.
 */
export type Retry = false | "unsent" | "idempotent";
