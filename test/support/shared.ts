import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { chooseLane, chooseSockets } from "../../src/transport/kind.js";

/** Whether connections can go through shared memory here, and may. */
export const CAN_SHARE = chooseSockets("auto").rings !== undefined && chooseLane(undefined) !== "socket";

/** How many pieces of shared memory a process has mapped now. */
export function mappingsOf(pid: number | "self" = "self"): number {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.filter((line) => line.includes("/memfd:earshot")).length;
}

/** How many sockets and files of shared memory a process has open now. */
export function socketsOf(pid: number | "self" = "self"): number {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).filter((name) => {
    try {
      return /^(socket:|\/memfd:)/.test(readlinkSync(`${directory}/${name}`));
    } catch {
      return false; // That of the directory itself, or one that was closed meanwhile.
    }
  }).length;
}
