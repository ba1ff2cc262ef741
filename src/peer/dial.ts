import { parseAddress } from "../address.js";
import { EarshotError, failure } from "../errors.js";
import { Arena } from "../session/arena.js";
import type { OwnContract, SessionLimits } from "../session/session.js";
import { chooseSockets } from "../transport/kind.js";
import { resolveSocket } from "../transport/resolve.js";
import type { Transport } from "../transport/transport.js";
import { SYSTEM_FEATURE } from "../wire/hello.js";
import { type Allow, checkAllow, refusalOf } from "./allow.js";
import { Client } from "./client.js";
import { FramedChannel } from "./framed-channel.js";
import {
  type App,
  checkApp,
  checkChoice,
  checkLogger,
  checkSignal,
  checkSpin,
  DIAL_DEFAULTS,
  greetingsOf,
  type Logger,
  type Spin,
  withDefaults,
} from "./options.js";
import { PlainChannel } from "./plain-channel.js";
import { checkLane, laneFeatures } from "./shared-options.js";

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
  /** @internal waits for the greeting, as with `app.accepts` */
  readonly contract?: OwnContract | undefined;
  /** The largest reply that is taken; default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Which users' servers to talk to; default any. Needs the native addon: without it, none. */
  readonly allow?: Allow | undefined;
  /** As for `listen`. */
  readonly transport?: "auto" | "native" | "net" | undefined;
  /** As for `listen`; `"shared"` asks the server for it from the first message on. */
  readonly lane?: "auto" | "socket" | "shared" | undefined;
  /** As for `listen`. */
  readonly spin?: Spin | undefined;
  /** How many descriptors a reply may bring; default 16, at most 253. */
  readonly maxDescriptors?: number | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
  /** Gives up dialing when it aborts; a client that is there already is closed by `close`. */
  readonly signal?: AbortSignal | undefined;
}

/** A server may be busy for a while; one that has not greeted by then is no earshot server. */
const GREETING_MS = 30_000;

/**
 * Connects to a server. On the framed wire its greeting comes with its first answer, and a mismatch of versions rejects
 * the first `send`; with `app.accepts`, `dial` itself waits for the greeting.
 *
 * @param address as for `listen`
 * @throws EarshotError `NO_SERVER`, `TIMEOUT`, `CANCELLED`, `PERMISSION_DENIED`, `VERSION_MISMATCH`, ...
 * @example
 * const client = await dial("/run/user/1000/app.sock");
 * const reply = await client.send("hello");
 */
export function dial(address: string, options: DialOptions = {}): Promise<Client> {
  return dialWith(address, options, []);
}

/** For messages to the server's earshot alone, whatever versions of the application it accepts. */
export function dialSystem(address: string, app: App | undefined): Promise<Client> {
  const own = app === undefined ? undefined : { name: app.name, version: app.version };
  return dialWith(address, { app: own, transport: "native", maxDescriptors: 1 }, [SYSTEM_FEATURE]);
}

async function dialWith(address: string, options: DialOptions, features: readonly string[]): Promise<Client> {
  const { maxMessageBytes, maxDescriptors, connectTimeoutMs } = withDefaults({ ...options }, DIAL_DEFAULTS);
  const wire = checkChoice("wire", options.wire, ["framed", "plain"]);
  const app = checkApp(options.app, options.contract);
  const logger = checkLogger(options.logger);
  const signal = checkSignal(options.signal);
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
  const lane = features.length > 0 ? undefined : checkLane(options.lane, undefined, wire, sockets, logger);
  const greetings = greetingsOf(limits, app, [...features, ...laneFeatures(lane)]);
  const setup = { role: "client", wire, limits, greetings, app, arena: new Arena(), descriptors, lane } as const;
  const allow = checkAllow(options.allow);
  const spinUs = checkSpin(options.spin);
  const connect = async (until?: AbortSignal) => {
    const transport = await sockets.dial(target, { timeoutMs: connectTimeoutMs, signal: until, spinUs });
    if (allow !== undefined) assertAllowed(allow, transport, target.text);
    return transport;
  };
  const transport = await connect(signal);

  let onEnd: (error: EarshotError | undefined) => void = () => {};
  const closed = new Promise<EarshotError | undefined>((resolve) => {
    onEnd = (error) => {
      logger.debug({ address: target.text, error }, "client closed");
      resolve(error);
    };
  });
  logger.debug({ address: target.text }, "client connected");
  if (wire === "plain") {
    const channel = new PlainChannel(transport, { ...setup, budget: undefined }, connect, onEnd);
    return new Client(target.text, channel, closed, descriptors);
  }
  const channel = new FramedChannel(transport, { ...setup, budget: undefined }, onEnd);
  if (isGreetingAwaited) await greeting(channel, target.text, signal);
  return new Client(target.text, channel, closed, descriptors);
}

/** @throws EarshotError `PEER_REFUSED`; then the connection is closed */
function assertAllowed(allow: Allow, transport: Transport, address: string): void {
  const refusal = refusalOf(allow, transport.credentials);
  if (refusal === undefined) return;
  transport.close();
  throw failure("PEER_REFUSED", "dial", address, `of the server there, ${refusal.text}`, { cause: refusal.cause });
}

async function greeting(channel: FramedChannel, address: string, signal: AbortSignal | undefined): Promise<void> {
  const onAbort = () => channel.cut(new EarshotError("CANCELLED", "its signal was aborted", { cause: signal?.reason }));
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await channel.greeting();
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    throw failure(error.code, "dial", address, error.message, { cause: error });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
