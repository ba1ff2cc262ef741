import { EarshotError } from "../errors.js";
import { chooseLane, type LaneKind, type Sockets } from "../transport/kind.js";
import { isRingSize, linkBytes, MAX_RING_BYTES, MIN_RING_BYTES } from "../transport/shared-memory.js";
import { SHARED_FEATURE, SHARED_FIRST_FEATURE } from "../wire/hello.js";
import { type LaneSetup, LaneSpace } from "./lane.js";
import { checkChoice, checkNumber, type Logger } from "./options.js";

/** Shared memory of a server, in bytes. */
export interface SharedOptions {
  /** Of a connection, for each direction: a power of two, from 65,536 to 67,108,864; default 262,144. */
  readonly ringBytes?: number | undefined;
  /**
   * Of all connections together; default 67,108,864, which are 113 connections with rings of the default size. The next ones
   * stay with their sockets.
   */
  readonly maxBytes?: number | undefined;
}

const DEFAULT_RING_BYTES = 262_144;
const DEFAULT_MAX_BYTES = 67_108_864;

/**
 * @param otherwise what it is where nothing is said
 * @returns `undefined` where all bytes go over sockets
 * @throws EarshotError `INVALID_ARGUMENT`
 */
export function checkLane(
  lane: LaneKind | undefined,
  otherwise: LaneKind,
  shared: SharedOptions | undefined,
  wire: "auto" | "framed" | "plain",
  { rings }: Pick<Sockets, "rings">,
  logger: Logger,
): LaneSetup | undefined {
  const given = lane === undefined ? undefined : checkChoice("lane", lane, ["auto", "socket", "shared"]);
  const chosen = chooseLane(given, otherwise);
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
  return { lane: chosen, ringBytes, rings, space: new LaneSpace(maxBytes), logger };
}

/** What HELLO says of it. */
export function laneFeatures(setup: LaneSetup | undefined): readonly string[] {
  if (setup === undefined) return [];
  return setup.lane === "shared" ? [SHARED_FEATURE, SHARED_FIRST_FEATURE] : [SHARED_FEATURE];
}
