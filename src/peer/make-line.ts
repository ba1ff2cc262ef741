import { EarshotError, failure } from "../errors.js";
import { PathWatch } from "../transport/watch.js";
import type { Channel, ChannelOwner } from "./channel.js";
import type { ClientState, ReconnectOptions } from "./client-state.js";
import type { ConnectionSetup } from "./connection-setup.js";
import { FramedChannel } from "./framed-channel.js";
import { Line } from "./line.js";
import { checkNumber, DIAL_DEFAULTS, type Logger, withDefaults } from "./options.js";
import { PlainChannel } from "./plain-channel.js";
import { RECONNECT_DEFAULTS, type Reconnecting, type RedialParts } from "./redial.js";
import type { Connect } from "./start.js";
import { SYSTEM_TIME, type Time } from "./time.js";

/** What to do about a server of a version that does not suit, and then `open` once more. */
export type Replacing = (mismatch: EarshotError, signal: AbortSignal, open: () => Promise<Channel>) => Promise<Channel>;

interface Way {
  readonly connect: Connect;
  readonly setup: Omit<ConnectionSetup, "owner">;
  readonly address: string;
  /** Of the socket's file, if it has one. */
  readonly path: string | undefined;
  readonly logger: Logger;
  /** Whether a connection is only one when the server has greeted. */
  readonly isGreetingAwaited: boolean;
  /** `undefined`: nothing. */
  readonly replace?: Replacing | undefined;
}

interface LineOptions {
  readonly reconnect?: ReconnectOptions | false | undefined;
  readonly maxWaiting?: number | undefined;
  readonly maxWaitingBytes?: number | undefined;
}

/** What a line goes by; tests give others. */
export interface Circumstances {
  readonly time: Time;
  readonly random: () => number;
  readonly watch?: RedialParts["watch"];
}

const CIRCUMSTANCES: Circumstances = { time: SYSTEM_TIME, random: Math.random };
const WAITING_DEFAULTS = { maxWaiting: DIAL_DEFAULTS.maxWaiting, maxWaitingBytes: DIAL_DEFAULTS.maxWaitingBytes };

function log(logger: Logger, address: string, state: ClientState): void {
  switch (state.kind) {
    case "connecting":
      return;
    case "open":
      logger.debug({ address }, "client connected");
      return;
    case "waiting":
      if (state.cause !== undefined) logger.debug({ address, error: state.cause }, "client has no connection");
      return;
    case "closed":
      logger.debug({ address, error: state.cause }, "client closed");
  }
}

/** A line to a server, not connected yet. @throws EarshotError `INVALID_ARGUMENT` */
export function makeLine(way: Way, options: LineOptions, given: Circumstances = CIRCUMSTANCES): Line {
  const { path, logger, address } = way;
  const { time, random } = given;
  const onError = (error: unknown) => logger.debug({ address, error }, "cannot watch for the server's socket file");
  const watchAt = (at: string) => (onChange: () => void) => {
    const watch = new PathWatch(at, onChange, onError);
    watch.tellIfThere();
    return watch;
  };
  const onPath = path === undefined ? undefined : watchAt(path);
  const waiting = withDefaults({ ...options }, WAITING_DEFAULTS);
  const reconnecting = checkReconnect(options.reconnect);
  const { replace } = way;
  const open = (owner: ChannelOwner, signal: AbortSignal) =>
    replace === undefined ? openChannel(way, owner, signal) : openOrReplace(way, replace, owner, signal);
  const line = new Line({ open, reconnecting, waiting, time, random, watch: given.watch ?? onPath });
  line.listen((state) => log(logger, address, state));
  return line;
}

async function openOrReplace(way: Way, replace: Replacing, owner: ChannelOwner, signal: AbortSignal): Promise<Channel> {
  try {
    return await openChannel(way, owner, signal);
  } catch (error) {
    if (!(error instanceof EarshotError) || error.code !== "VERSION_MISMATCH") throw error;
    return await replace(error, signal, () => openChannel(way, owner, signal));
  }
}

async function openChannel(way: Way, owner: ChannelOwner, signal: AbortSignal): Promise<Channel> {
  const { connect, setup, address, isGreetingAwaited } = way;
  const transport = await connect(signal);
  if (setup.wire === "plain") return new PlainChannel(transport, setup, connect, owner);
  const channel = new FramedChannel(transport, setup, owner);
  if (isGreetingAwaited) await greeting(channel, address, signal);
  return channel;
}

async function greeting(channel: FramedChannel, address: string, signal: AbortSignal): Promise<void> {
  const onAbort = () => channel.cut(new EarshotError("CANCELLED", "its signal was aborted", { cause: signal.reason }));
  signal.addEventListener("abort", onAbort, { once: true });
  // Since the connection was made.
  if (signal.aborted) onAbort();
  try {
    await channel.greeting();
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    throw failure(error.code, "dial", address, error.message, { cause: error });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** @throws EarshotError `INVALID_ARGUMENT` */
function checkReconnect(given: ReconnectOptions | false | undefined): Reconnecting | undefined {
  if (given === false) return undefined;
  if (given !== undefined && (typeof given !== "object" || given === null)) {
    const fact = `Cannot use reconnect: ${String(given)}; it is an object with minDelayMs and maxDelayMs, or false`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  const { minDelayMs, maxDelayMs, whenIdle } = { ...RECONNECT_DEFAULTS, ...given };
  const limits = {
    minDelayMs: checkNumber("reconnect.minDelayMs", minDelayMs ?? RECONNECT_DEFAULTS.minDelayMs),
    maxDelayMs: checkNumber("reconnect.maxDelayMs", maxDelayMs ?? RECONNECT_DEFAULTS.maxDelayMs),
    whenIdle: whenIdle === true,
  };
  if (limits.minDelayMs <= limits.maxDelayMs) return limits;
  const fact = `Cannot use reconnect.maxDelayMs: ${limits.maxDelayMs}; it is less than minDelayMs, ${limits.minDelayMs}`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}
