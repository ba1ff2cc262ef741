import { EarshotError } from "../errors.js";
import type { Peer } from "./context.js";
import { checkChoice, withDefaults } from "./options.js";
import type { Order } from "./order.js";
import type { SlowPolicy, SubscriberOptions } from "./subscriber.js";

/** How a server publishes. All sizes in bytes, all times in milliseconds. */
export interface BroadcastOptions {
  /** How many messages may wait for one subscriber that is slow; default 16,384. A subscriber may want fewer. */
  readonly maxQueuedMessages?: number | undefined;
  /** How many bytes these may take, 128 for each message on top of its own; default 8 MiB. One message always has a place. */
  readonly maxQueuedBytes?: number | undefined;
  /** The same for all subscribers together, where a message that waits for several counts once; default 256 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** How many subscriptions a connection may have; default 1,024. */
  readonly maxSubscriptions?: number | undefined;
  /** How long `publish` waits for a subscriber that wants to be waited for and takes nothing; default 10 s, 0 for ever. */
  readonly maxWaitMs?: number | undefined;
  /** How many messages of each topic are kept for those who subscribe later; default 0. */
  readonly replayMessages?: number | undefined;
  /** How many bytes these may take for all topics together; default 16 MiB. The oldest go first. */
  readonly maxReplayBytes?: number | undefined;
  /** Whether this caller may subscribe to this pattern; only `true` lets him. Default: all who may connect. */
  readonly allow?: ((pattern: string, peer: Peer) => boolean) | undefined;
}

/** What `listen` uses where `broadcast` says nothing. */
export const BROADCAST_DEFAULTS = {
  maxQueuedMessages: 16_384,
  maxQueuedBytes: 8_388_608,
  maxBufferedBytes: 268_435_456,
  maxSubscriptions: 1_024,
  maxWaitMs: 10_000,
  replayMessages: 0,
  maxReplayBytes: 16_777_216,
} as const;

export type BroadcastNumbers = { readonly [K in keyof typeof BROADCAST_DEFAULTS]: number };

export const SLOW_POLICIES = ["drop", "disconnect", "wait"] as const satisfies readonly SlowPolicy[];

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkBroadcast(options: BroadcastOptions = {}): BroadcastNumbers & Pick<BroadcastOptions, "allow"> {
  if (typeof options !== "object" || options === null) {
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use broadcast: ${String(options)}; it is an object of options`);
  }
  const { allow } = options;
  if (allow !== undefined && typeof allow !== "function") {
    const fact = `Cannot use broadcast.allow: ${String(allow)}; it is a function of a pattern and a peer`;
    throw new EarshotError("INVALID_ARGUMENT", fact);
  }
  return { ...withDefaults({ ...options }, BROADCAST_DEFAULTS), allow };
}

/** What a subscriber asks for, as far as it gets it: never more than the server allows. */
export interface Wish extends SubscriberOptions {
  readonly replay: number;
}

/** @returns what is wrong with it, where it is not understood */
export function readWish(order: Order, limits: BroadcastNumbers): Wish | string {
  const { slow = "drop", maxMessages, maxBytes, replay = 0 } = order;
  if (!SLOW_POLICIES.includes(slow as SlowPolicy)) return `slow is one of ${SLOW_POLICIES.join(", ")}`;
  for (const number of [maxMessages, maxBytes, replay]) {
    if (number === undefined) continue;
    if (!Number.isSafeInteger(number) || (number as number) < 0) return "its limits are whole numbers";
  }
  return {
    slow: slow as SlowPolicy,
    maxMessages: atMost(limits.maxQueuedMessages, maxMessages),
    maxBytes: atMost(limits.maxQueuedBytes, maxBytes),
    maxWaitMs: limits.maxWaitMs,
    replay: replay as number,
  };
}

function atMost(limit: number, wanted: unknown): number {
  return typeof wanted === "number" ? Math.min(limit, Math.max(1, wanted)) : limit;
}

/** How `client.subscribe` is checked before it is sent. @throws EarshotError `INVALID_ARGUMENT` */
export function checkSlow(slow: SlowPolicy | undefined): SlowPolicy {
  return checkChoice<SlowPolicy>("slow", slow, SLOW_POLICIES);
}
