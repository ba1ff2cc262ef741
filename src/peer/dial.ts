import { parseAddress } from "../address.js";
import { EarshotError, failure } from "../errors.js";
import { Arena } from "../session/arena.js";
import type { OwnContract, SessionLimits } from "../session/session.js";
import { chooseSockets } from "../transport/kind.js";
import { resolveSocket, type SocketTarget } from "../transport/resolve.js";
import type { Transport } from "../transport/transport.js";
import { SYSTEM_FEATURE } from "../wire/hello.js";
import { type Allow, checkAllow, refusalOf } from "./allow.js";
import { Client } from "./client.js";
import type { ReconnectOptions, Retry } from "./client-state.js";
import { makeLine, type Replacing } from "./make-line.js";
import {
  type App,
  checkApp,
  checkChoice,
  checkLogger,
  checkRetry,
  checkSignal,
  checkSpin,
  DIAL_DEFAULTS,
  type Logger,
  type Spin,
  withDefaults,
} from "./options.js";
import { checkLane, laneGreetings, type SharedOptions } from "./shared-options.js";
import { type Connect, startingIfMissing } from "./start.js";
import type { StartOptions } from "./start-options.js";

/** All sizes in bytes, all times in milliseconds. */
export interface DialOptions {
  /**
   * `"framed"` (default): all messages share a connection. `"plain"`: each has its own, for servers that read until the
   * end of input.
   */
  readonly wire?: "framed" | "plain" | undefined;
  /** For the connection to stand; default 5 s, 0 for no limit. */
  readonly connectTimeoutMs?: number | undefined;
  /** This side's name and version, and which servers it works with; default none. Framed wire only. */
  readonly app?: App | undefined;
  /** How to start the server if nobody answers; default not at all. It outlives this process. See the guide, "Daemons". */
  readonly start?: StartOptions | undefined;
  /**
   * What to do about a server that `app.accepts` does not take: `"refuse"` (default), `VERSION_MISMATCH`; or `"replace"`: if it
   * is this user's and its version is older than this side's, it is asked to leave. It finishes what it has, and `start`
   * starts another; without `start`, one is waited for, for `connectTimeoutMs`.
   */
  readonly onMismatch?: "refuse" | "replace" | undefined;
  /** @internal waits for the greeting, as with `app.accepts` */
  readonly contract?: OwnContract | undefined;
  /** The largest reply that is taken; default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Which users' servers to talk to; default any. Needs the native addon: without it, none. */
  readonly allow?: Allow | undefined;
  /** As for `listen`. */
  readonly transport?: "auto" | "native" | "net" | undefined;
  /** As for `listen`; default `"auto"`: if the server offers it. `"shared"` asks for it from the first message on. */
  readonly lane?: "auto" | "socket" | "shared" | undefined;
  /** How much memory this client lends and borrows, see `lane`. */
  readonly shared?: Pick<SharedOptions, "maxBytes"> | undefined;
  /** As for `listen`. */
  readonly spin?: Spin | undefined;
  /** How many descriptors a reply may bring; default 16, at most 253. */
  readonly maxDescriptors?: number | undefined;
  /**
   * `"eager"` (default): `dial` connects, and rejects when it cannot. `"lazy"`: it returns at once, and connects when there is
   * something to send.
   */
  readonly connect?: "eager" | "lazy" | undefined;
  /**
   * How to come to the next connection when one is lost; `false`: the client is closed then. A lost connection is made again
   * when a message needs it, at once the first time; then with pauses that grow, and as soon as the server's socket file is
   * there.
   */
  readonly reconnect?: ReconnectOptions | false | undefined;
  /** What becomes of messages without a connection, or when that is lost; default `false`: they fail, and say why. */
  readonly retry?: Retry | undefined;
  /** How many messages may wait for a connection; default 10,000. The next fails with `OVERLOADED`. */
  readonly maxWaiting?: number | undefined;
  /** How many bytes these may have together; default 64 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
  /** Gives up dialing when it aborts; a client that is there already is closed by `close`. */
  readonly signal?: AbortSignal | undefined;
}

/** A server may be busy for a while; one that has not greeted by then is no earshot server. */
const GREETING_MS = 30_000;
/** Of all clients: who dials for one message need not ask for memory of his own. */
const ARENA = new Arena();

/**
 * Connects to a server. On the framed wire its greeting comes with its first answer, and a mismatch of versions rejects
 * the first `send`; with `app.accepts`, `dial` itself waits for the greeting.
 *
 * @param address as for `listen`
 * @throws EarshotError `NO_SERVER`, `START_FAILED`, `TIMEOUT`, `CANCELLED`, `PERMISSION_DENIED`, `VERSION_MISMATCH`, ...
 * @example
 * const client = await dial("/run/user/1000/app.sock");
 * const reply = await client.send("hello");
 */
export async function dial(address: string, options: DialOptions = {}): Promise<Client> {
  return await dialWith(address, options, []);
}

/** What is done about a server of an older version, whenever one is met. @throws EarshotError `INVALID_ARGUMENT` */
function replacing(target: SocketTarget, options: DialOptions): Replacing {
  const { app, transport, connectTimeoutMs = DIAL_DEFAULTS.connectTimeoutMs, allow, start } = options;
  if (app?.accepts === undefined) {
    const fact = 'Cannot use onMismatch "replace" without app.accepts: it says which servers do not match';
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  const own = checkApp(app);
  const info = { name: app.name, version: app.version };
  return async (mismatch, signal, open) => {
    // Loaded when it is needed: most callers find a server that suits.
    const { makeLeave, awaitSuccessor } = await import("./replace.js");
    const system = { app: info, transport, signal, connectTimeoutMs, allow, reconnect: false } as const;
    await makeLeave({ own, mismatch, signal }, () => dialWith(target.text, system, [SYSTEM_FEATURE]));
    // Which starts the next one, or finds it.
    if (start !== undefined) return open();
    return awaitSuccessor({ target, timeoutMs: connectTimeoutMs, signal }, open);
  };
}

/** For messages to the server's earshot alone, whatever versions of the application it accepts. */
export function dialSystem(address: string, app: App | undefined): Promise<Client> {
  const own = app === undefined ? undefined : { name: app.name, version: app.version };
  const options: DialOptions = { app: own, transport: "native", maxDescriptors: 1, reconnect: false };
  return dialWith(address, options, [SYSTEM_FEATURE]);
}

async function dialWith(address: string, options: DialOptions, features: readonly string[]): Promise<Client> {
  const { maxMessageBytes, maxDescriptors, connectTimeoutMs } = withDefaults({ ...options }, DIAL_DEFAULTS);
  const wire = checkChoice("wire", options.wire, ["framed", "plain"]);
  const app = checkApp(options.app, options.contract);
  const logger = checkLogger(options.logger);
  const signal = checkSignal(options.signal);
  const retry = checkRetry(options.retry);
  if (wire === "plain" && retry === "idempotent") {
    throw new EarshotError("UNSUPPORTED", 'Cannot use retry: "idempotent" on the plain wire, which has no ids');
  }
  const target = resolveSocket(parseAddress(address), "dial");
  const sockets = chooseSockets(checkChoice("transport", options.transport, ["auto", "native", "net"]));
  const isGreetingAwaited = options.app?.accepts !== undefined || options.contract !== undefined;
  const limits: SessionLimits = {
    maxMessageBytes,
    maxInFlight: 1,
    maxDescriptors: sockets.descriptors === undefined ? 0 : maxDescriptors,
    handshakeTimeoutMs: isGreetingAwaited ? connectTimeoutMs : GREETING_MS,
    messageTimeoutMs: 0,
    idleTimeoutMs: 0,
    takesStreams: false,
  };
  const { descriptors } = sockets;
  const lane = features.length > 0 ? undefined : checkLane(options.lane, options.shared, wire, sockets, logger);
  const greetings = laneGreetings(lane, limits, app, features);
  const own = { role: "client", wire, limits, app, arena: ARENA, budget: undefined } as const;
  const setup = { ...own, ...greetings, descriptors, lane };
  const allow = checkAllow(options.allow);
  const spinUs = checkSpin(options.spin);
  const connectOnce: Connect = async (until) => {
    const transport = await sockets.dial(target, { timeoutMs: connectTimeoutMs, signal: until, spinUs });
    if (allow !== undefined) assertAllowed(allow, transport, target.text);
    return transport;
  };
  const { start } = options;
  const connect = start === undefined ? connectOnce : startingIfMissing(connectOnce, target, start);
  const path = target.kind === "path" ? target.path : undefined;
  const onMismatch = checkChoice("onMismatch", options.onMismatch, ["refuse", "replace"]);
  const replace = onMismatch === "replace" ? replacing(target, options) : undefined;
  const line = makeLine({ connect, setup, address: target.text, path, logger, isGreetingAwaited, replace }, options);
  if (checkChoice("connect", options.connect, ["eager", "lazy"]) === "eager") await line.dial(signal);
  return new Client(target.text, line, retry, descriptors, maxMessageBytes);
}

/** @throws EarshotError `PEER_REFUSED`; then the connection is closed */
function assertAllowed(allow: Allow, transport: Transport, address: string): void {
  const refusal = refusalOf(allow, transport.credentials);
  if (refusal === undefined) return;
  transport.close();
  throw failure("PEER_REFUSED", "dial", address, `of the server there, ${refusal.text}`, { cause: refusal.cause });
}
