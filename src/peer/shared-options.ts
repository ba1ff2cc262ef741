import { EarshotError } from "../errors.js";
import type { Greetings } from "../session/handshake.js";
import type { OwnApp, SessionLimits } from "../session/session.js";
import { chooseLane, type LaneKind, type Sockets } from "../transport/kind.js";
import { isRingSize, linkBytes, MAX_RING_BYTES, MIN_RING_BYTES } from "../transport/shared-memory.js";
import { LOANS_FEATURE, SHARED_FEATURE, SHARED_FIRST_FEATURE } from "../wire/hello.js";
import { type LaneSetup, LaneSpace } from "./lane.js";
import { checkChoice, checkNumber, greetingsOf, type Logger } from "./options.js";

/** Shared memory, in bytes. */
export interface SharedOptions {
  /**
   * Of a connection, for each direction: a power of two, from 65,536 to 67,108,864; default 262,144. The server's to say.
   */
  readonly ringBytes?: number | undefined;
  /**
   * Of all connections together, rings and the messages that this side lends; and on each connection, of the messages that the
   * other side lends. Default 67,108,864, which are 113 connections with rings of the default size. The next ones stay with their
   * sockets, and what is lent is ordinary memory.
   */
  readonly maxBytes?: number | undefined;
}

const DEFAULT_RING_BYTES = 262_144;
const DEFAULT_MAX_BYTES = 67_108_864;

/**
 * @returns `undefined` where all bytes go over sockets
 * @throws EarshotError `INVALID_ARGUMENT`
 */
export function checkLane(
  lane: LaneKind | undefined,
  shared: SharedOptions | undefined,
  wire: "auto" | "framed" | "plain",
  { rings }: Pick<Sockets, "rings">,
  logger: Logger,
): LaneSetup | undefined {
  const given = lane === undefined ? undefined : checkChoice("lane", lane, ["auto", "socket", "shared"]);
  const chosen = chooseLane(given);
  if (shared !== undefined && (typeof shared !== "object" || shared === null))
    throw new EarshotError(
      "INVALID_ARGUMENT",
      `Cannot use shared: ${String(shared)}; it is an object with ringBytes and maxBytes`,
    );
  const ringBytes = checkNumber("shared.ringBytes", shared?.ringBytes ?? DEFAULT_RING_BYTES);
  const maxBytes = checkNumber("shared.maxBytes", shared?.maxBytes ?? DEFAULT_MAX_BYTES);
  if (!isRingSize(ringBytes)) {
    const range = `a power of two from ${MIN_RING_BYTES} to ${MAX_RING_BYTES}`;
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use shared.ringBytes: ${ringBytes}; it is ${range}`);
  }
  if (chosen === "socket" || rings === undefined || wire === "plain" || maxBytes < linkBytes(ringBytes))
    return undefined;
  return { lane: chosen, ringBytes, maxBytes, rings, space: new LaneSpace(maxBytes), logger };
}

/** What HELLO says of it. */
export function laneFeatures(setup: LaneSetup | undefined): readonly string[] {
  if (setup === undefined) return [];
  return setup.lane === "shared" ? [SHARED_FEATURE, SHARED_FIRST_FEATURE] : [SHARED_FEATURE];
}

/**
 * What this side says first, to whom: loans are taken only of who may see this side's memory.
 *
 * @param others features besides
 */
export function laneGreetings(
  setup: LaneSetup | undefined,
  limits: SessionLimits,
  app: OwnApp,
  others: readonly string[] = [],
): { readonly greetings: Greetings; readonly loanGreetings: Greetings | undefined } {
  const features = [...others, ...laneFeatures(setup)];
  const greetings = greetingsOf(limits, app, features);
  if (setup === undefined) return { greetings, loanGreetings: undefined };
  const loanGreetings = greetingsOf(limits, app, [...features, LOANS_FEATURE], { loanBytes: setup.maxBytes });
  return { greetings, loanGreetings };
}
