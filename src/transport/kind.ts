import { EarshotError } from "../errors.js";
import type { Native } from "../native/binding.js";
import { connectUnix } from "./connect-unix.js";
import { type DialOptions, dialSocket } from "./dial.js";
import type { ListenOptions } from "./listen-options.js";
import { type Poller, sharedPoller } from "./poller.js";
import type { ListenTarget, SocketTarget } from "./resolve.js";
import { Rings } from "./rings.js";
import type { Estate, Listener, Transport } from "./transport.js";

/** How sockets are worked with: by the native addon, or by `node:net`, which has no part of what only the kernel can do. */
export type TransportKind = "native" | "net";

/** The sockets of one kind. */
export interface Sockets {
  readonly kind: TransportKind;
  /** Why it is `net`, if it is not because it was asked for. */
  readonly missing: string | undefined;
  listen(target: ListenTarget, options: ListenOptions): Promise<Listener>;
  /** Duplicates, closes and releases descriptors, where these sockets carry them. */
  readonly descriptors: Pick<Native, "duplicate" | "close" | "release"> | undefined;
  /** Shared memory, where these sockets can carry it to the other side. */
  readonly rings: Rings | undefined;
  /** Goes on with the socket of another process, where these sockets can. */
  inherit?(target: SocketTarget, estate: Estate, options: ListenOptions): Promise<Listener>;
  dial(target: SocketTarget, options: DialOptions): Promise<Transport>;
}

/**
 * @param wanted `"auto"` is the addon where it loads; the variable `EARSHOT_TRANSPORT` decides instead where it is set
 * @throws EarshotError `UNSUPPORTED`: the addon was asked for and is not there; or `INVALID_ARGUMENT`
 */
export function chooseSockets(wanted: "auto" | TransportKind): Sockets {
  const kind = wanted === "auto" ? fromVariable("EARSHOT_TRANSPORT", ["auto", "native", "net"]) : wanted;
  if (kind === "net") return netSockets(undefined);
  const shared = sharedPoller();
  if ("missing" in shared) {
    if (kind === "auto") return netSockets(shared.missing.text);
    throw new EarshotError("UNSUPPORTED", `Cannot use transport "native": ${shared.missing.text}`, {
      cause: shared.missing.cause,
    });
  }
  const { poller } = shared;
  return {
    kind: "native",
    missing: undefined,
    descriptors: poller.native,
    rings: ringsOf(poller),
    listen: async (target, options) => (await import("./unix-listener.js")).listenUnix(poller, target, options),
    inherit: async (target, estate, options) =>
      (await import("./unix-listener.js")).inheritUnix(poller, target, estate, options),
    dial: (target, options) => dialSocket(target, options, () => connectUnix(poller, target, options.spinUs)),
  };
}

/** Where the bytes of a connection go: over its socket, or through shared memory where both sides can. */
export type LaneKind = "auto" | "socket" | "shared";

/**
 * @param wanted where it says nothing, the variable `EARSHOT_LANE` decides, or else it is `"auto"`
 * @throws EarshotError `INVALID_ARGUMENT`
 */
export function chooseLane(wanted: LaneKind | undefined): LaneKind {
  return wanted ?? fromVariable("EARSHOT_LANE", ["auto", "socket", "shared"]);
}

function fromVariable<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
  const wanted = process.env[name] ?? choices[0];
  const found = choices.find((choice) => choice === wanted);
  if (found !== undefined) return found;
  const fact = `Cannot use ${name}=${JSON.stringify(wanted)}: it is one of ${choices.join(", ")}`;
  throw new EarshotError("INVALID_ARGUMENT", fact);
}

let rings: Rings | undefined;

/** One for all of this thread: what it can do is found out once. */
function ringsOf(poller: Poller): Rings {
  rings ??= new Rings(poller);
  return rings;
}

let net: Promise<typeof import("./net.js")> | undefined;

/** Loaded when it is needed: a command-line tool that has the addon need not. */
function netSockets(missing: string | undefined): Sockets {
  return {
    kind: "net",
    missing,
    descriptors: undefined,
    rings: undefined,
    listen: async (target, options) => (await import("./net-listener.js")).listenNet(target, options),
    dial: async (target, options) => {
      // An import costs as much as a connection, also the second time.
      net ??= import("./net.js");
      const { connectNet } = await net;
      return dialSocket(target, options, () => connectNet(target));
    },
  };
}
