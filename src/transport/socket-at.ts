import { lstatSync } from "node:fs";
import { failure } from "../errors.js";

/** What tells a file from another, as long as one of its names or descriptors exists. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly uid: bigint;
}

/**
 * The socket at `path`, `undefined` if nothing is there.
 *
 * @throws EarshotError `NOT_A_SOCKET` for anything else, also for a symbolic link to a socket: what we did not put
 * there we do not remove
 */
export function socketAt(path: string, address: string): FileIdentity | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined || stats.isSocket()) return stats;
  const kind = stats.isSymbolicLink() ? "a symbolic link" : stats.isDirectory() ? "a directory" : "not a socket";
  throw failure(
    "NOT_A_SOCKET",
    "listen",
    address,
    `${JSON.stringify(path)} is ${kind}; remove it, or use another path`,
  );
}

export function isSameFile(one: FileIdentity | undefined, other: Pick<FileIdentity, "dev" | "ino">): boolean {
  return one?.ino === other.ino && one.dev === other.dev;
}
