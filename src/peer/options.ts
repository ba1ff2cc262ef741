import { constants } from "node:buffer";
import { EarshotError } from "../errors.js";
import { MAX_SYSTEM } from "../session/exchanges.js";
import { Greetings } from "../session/handshake.js";
import type { OwnApp, OwnContract, SessionLimits } from "../session/session.js";
import { DEFAULT_SPIN_US } from "../transport/spin.js";
import { FIRST_WINDOW_BYTES, MAX_DESCRIPTORS } from "../wire/frame.js";
import { type AppInfo, type Hello, MAX_APP_TEXT, ownHello } from "../wire/hello.js";
import type { Retry } from "./client-state.js";

/** Where log lines go; pino, console-like loggers and `undefined` for silence fit. */
export interface Logger {
  /** What a caller did, and what came of it. */
  debug(object: object, text: string): void;
  /** Listening, and other turns in a server's life. */
  info(object: object, text: string): void;
  /** Somebody else's mistake: a caller that breaks the protocol, is refused, or is too slow. */
  warn(object: object, text: string): void;
  /** This side's mistake: a handler that failed, an output that is not valid. */
  error(object: object, text: string): void;
}

/** The application's own name and version; the two sides tell each other before anything else. */
export interface App extends AppInfo {
  /**
   * Which versions of the other side this one works with: a list of versions or their beginnings (`"2"` takes every
   * 2.x), of an application of the same name; or a function that decides. Without it any other side will do.
   */
  readonly accepts?: readonly string[] | ((other: AppInfo | undefined) => boolean);
}

const DEFAULT_MAX_MESSAGE_BYTES = 67_108_864;
const DEFAULT_MAX_DESCRIPTORS = 16;

/** What `listen` uses where its options say nothing. */
export const LISTEN_DEFAULTS = {
  mode: 0o600,
  maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
  maxConnections: 16_384,
  maxInFlight: 1_024,
  maxDescriptors: DEFAULT_MAX_DESCRIPTORS,
  maxBufferedBytes: 268_435_456,
  handshakeTimeoutMs: 30_000,
  messageTimeoutMs: 60_000,
  idleTimeoutMs: 0,
  idleExitMs: 0,
  backlog: 4_096,
} as const;

/** What `dial` uses where its options say nothing. */
export const DIAL_DEFAULTS = {
  maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
  maxDescriptors: DEFAULT_MAX_DESCRIPTORS,
  connectTimeoutMs: 5_000,
  maxWaiting: 10_000,
  maxWaitingBytes: 67_108_864,
} as const;

/**
 * How a connection waits for the next message. Being woken by the kernel costs both sides tens of microseconds, most of a short
 * round trip. `"auto"` looks for it for up to 50 µs before the thread goes to sleep, as long as messages do come so soon; it
 * lets other processes run meanwhile, ends at once when the event loop has anything else to do, and looks in vain for at
 * most a tenth of the time. The first answer of a server that was dialed may take four times as long, as it has to let the client
 * in. `"off"` sleeps at once, `{ maxUs }` looks so long, 1,000 at most.
 */
export type Spin = "auto" | "off" | SpinLimit;

/** How long to look. */
export interface SpinLimit {
  /** In microseconds. */
  readonly maxUs: number;
}

/** How to close a client or a server. */
export interface CloseOptions {
  /** How long what is in flight may take to finish, in milliseconds; default 10,000. */
  readonly graceMs?: number | undefined;
}

export const DEFAULT_GRACE_MS = 10_000;
/** Longer than any timer of Node can be. */
const LONGEST_MS = 0x7fff_ffff;
/** Of one look for more: the event loop waits so long. */
const LONGEST_SPIN_US = 1_000;

interface Range {
  readonly least: number;
  readonly most: number;
}
const ANY: Range = { least: 0, most: Number.MAX_SAFE_INTEGER };
const ONE_OR_MORE: Range = { least: 1, most: Number.MAX_SAFE_INTEGER };
const RANGES: Readonly<Record<string, Range>> = {
  mode: { least: 0, most: 0o777 },
  maxMessageBytes: ONE_OR_MORE,
  maxConnections: ONE_OR_MORE,
  maxDescriptors: { least: 0, most: MAX_DESCRIPTORS },
  maxInFlight: ONE_OR_MORE,
  maxBufferedBytes: ONE_OR_MORE,
  backlog: { least: 1, most: 0x7fff_ffff },
  "the size of a loan": { least: 0, most: constants.MAX_LENGTH },
  idleExitMs: { least: 0, most: LONGEST_MS },
  connectTimeoutMs: { least: 0, most: LONGEST_MS },
  maxWaitingBytes: ONE_OR_MORE,
  "reconnect.minDelayMs": { least: 1, most: LONGEST_MS },
  "reconnect.maxDelayMs": { least: 1, most: LONGEST_MS },
  "deduplicate.maxIds": ONE_OR_MORE,
  "deduplicate.keepMs": ONE_OR_MORE,
  "overload.maxHandling": ONE_OR_MORE,
  "overload.maxWaitingMs": { least: 0, most: LONGEST_MS },
  maxQueuedMessages: ONE_OR_MORE,
  maxQueuedBytes: ONE_OR_MORE,
  maxSubscriptions: { least: 0, most: MAX_SYSTEM - 96 },
  maxWaitMs: { least: 0, most: LONGEST_MS },
};

/**
 * Fills in defaults and checks every number.
 *
 * @param prefix before the names of options that belong to another
 * @throws EarshotError `INVALID_ARGUMENT`, naming the option
 */
export function withDefaults<T extends Readonly<Record<string, number>>>(
  given: Readonly<Record<string, unknown>>,
  defaults: T,
  prefix = "",
): { [K in keyof T]: number } {
  const filled: Record<string, number> = { ...defaults };
  for (const name of Object.keys(defaults)) {
    if (given[name] !== undefined) filled[name] = checkNumber(prefix + name, given[name]);
  }
  return filled as { [K in keyof T]: number };
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkNumber(name: string, value: unknown): number {
  const { least, most } = RANGES[name] ?? ANY;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use ${name}: ${String(value)}; it is a whole number ${range}`);
}

/** Times in milliseconds may have fractions; 0 and `undefined` are none. @throws EarshotError `INVALID_ARGUMENT` */
export function checkTimeout(name: string, value: number | undefined): number {
  if (value === undefined || value === Infinity) return 0;
  if (typeof value === "number" && value >= 0) return value;
  const fact = `Cannot use ${name}: ${String(value)}; it is a number of milliseconds, 0 for none`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** Longer than any timer is for ever. @throws EarshotError `INVALID_ARGUMENT` */
export function checkGrace({ graceMs = DEFAULT_GRACE_MS }: CloseOptions): number {
  if (typeof graceMs === "number" && graceMs >= 0) return graceMs > LONGEST_MS ? Infinity : graceMs;
  const fact = `Cannot use graceMs: ${String(graceMs)}; it is a number of milliseconds`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkChoice<T extends string>(name: string, value: T | undefined, choices: readonly [T, ...T[]]): T {
  if (value === undefined) return choices[0];
  if (choices.includes(value)) return value;
  const fact = `Cannot use ${name}: ${JSON.stringify(value)}; it is one of ${choices.join(", ")}`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** In microseconds. @throws EarshotError `INVALID_ARGUMENT` */
export function checkSpin(spin: Spin | undefined): number {
  if (spin === undefined || spin === "auto") return DEFAULT_SPIN_US;
  if (spin === "off") return 0;
  const maxUs = typeof spin === "object" ? spin?.maxUs : undefined;
  if (typeof maxUs === "number" && maxUs >= 0 && maxUs <= LONGEST_SPIN_US) return Math.ceil(maxUs);
  const fact = `Cannot use spin: ${JSON.stringify(spin)}; it is "auto", "off" or { maxUs } with 0 to ${LONGEST_SPIN_US} microseconds`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkRetry(retry: Retry | undefined): Retry {
  if (retry === undefined || retry === false || retry === "unsent" || retry === "idempotent") return retry ?? false;
  const fact = `Cannot use retry: ${JSON.stringify(retry)}; it is false, "unsent" or "idempotent"`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || typeof signal?.addEventListener === "function") return signal;
  throw new EarshotError("INVALID_ARGUMENT", `Cannot use signal: ${String(signal)}; it is an AbortSignal`);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkLogger(logger: Logger | undefined): Logger {
  if (logger === undefined) return SILENT;
  const levels = ["debug", "info", "warn", "error"] as const;
  if (levels.every((level) => typeof logger?.[level] === "function")) return logger;
  const fact = `Cannot use logger: ${String(logger)}; it is an object with the functions ${levels.join(", ")}`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkApp(app: App | undefined, contract?: OwnContract): OwnApp {
  if (app === undefined) return { info: undefined, objection: () => undefined, contract };
  if (typeof app !== "object" || app === null) {
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use app: ${String(app)}; it is an object with name and version`);
  }
  for (const [name, value] of Object.entries({ "app.name": app.name, "app.version": app.version })) {
    if (typeof value === "string" && value.length > 0 && value.length <= MAX_APP_TEXT) continue;
    const fact = `Cannot use ${name}: ${JSON.stringify(value)}; it is a text of 1 to ${MAX_APP_TEXT} characters`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  const info = { name: app.name, version: app.version };
  return { info, objection: objectionOf(info, app.accepts), contract };
}

function objectionOf(info: AppInfo, accepts: App["accepts"]): OwnApp["objection"] {
  const isList = Array.isArray(accepts) && accepts.every((version) => typeof version === "string");
  if (accepts !== undefined && typeof accepts !== "function" && !isList) {
    const fact = `Cannot use app.accepts: ${JSON.stringify(accepts)}; it is a list of versions, or a function`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  const accept =
    typeof accepts === "function" ? accepts : (other: AppInfo | undefined) => isListed(info, accepts, other);
  return (other) => {
    try {
      return accept(other) ? undefined : describeMismatch(info, other);
    } catch (error) {
      return `${describeMismatch(info, other)} (app.accepts failed: ${String(error)})`;
    }
  };
}

function isListed(own: AppInfo, accepts: readonly string[] | undefined, other: AppInfo | undefined): boolean {
  if (accepts === undefined) return true;
  if (other === undefined || other.name !== own.name) return false;
  return accepts.some((version) => other.version === version || other.version.startsWith(`${version}.`));
}

function describeMismatch(own: AppInfo, other: AppInfo | undefined): string {
  const theirs = other === undefined ? "does not say what it is" : `is ${other.name} ${other.version}`;
  const remedy = "restart the older of the two with the newer version";
  return `this side is ${own.name} ${own.version}, the other ${theirs}, which it does not accept; ${remedy}`;
}

/** @param more what else this side accepts */
export function greetingsOf(
  limits: SessionLimits,
  app: OwnApp,
  features: readonly string[] = [],
  more: Partial<Hello["limits"]> = {},
): Greetings {
  const { maxInFlight, maxDescriptors, takesStreams } = limits;
  const maxMessageBytes = takesStreams ? Number.MAX_SAFE_INTEGER : limits.maxMessageBytes;
  const others = {
    ...(maxDescriptors > 0 ? { maxDescriptors } : {}),
    ...(takesStreams ? { windowBytes: FIRST_WINDOW_BYTES } : {}),
    ...more,
  };
  return new Greetings(ownHello({ maxMessageBytes, maxInFlight, ...others }, app.info, features, app.contract?.info));
}

export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
