import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { EarshotError, failure, fromSystem, systemCode } from "../errors.js";
import { findOwner } from "./owner.js";

/** Why a path was not taken. */
export type Obstacle = "live" | "foreign" | "contended";

const REMEDY = "stop it, or listen on another path";

const UNSUPPORTED: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"];

export function occupied(path: string, obstacle: Obstacle): EarshotError {
  return failure("ADDRESS_IN_USE", "listen", `unix:${path}`, describeObstacle(path, obstacle));
}

function describeObstacle(path: string, obstacle: Obstacle): string {
  if (obstacle === "contended") return "other servers are taking it over at this moment; try again, or stop them";
  if (obstacle === "foreign") return `a program of another kind owns the socket there (not a stream); ${REMEDY}`;
  if (!isWritable(path)) {
    return `this user has no access to the socket there, so that its server may be alive; remove it as its owner, or listen on another path`;
  }
  const pid = findOwner(path);
  if (pid === process.pid) return `this process (pid ${pid}) already listens there; close that server first`;
  return `another server ${pid === undefined ? "" : `(pid ${pid}) `}answers there; ${REMEDY}`;
}

/** What `bind` or `link` throws, in a directory where other files can be created. */
export function unsupported(error: unknown, address: string): unknown {
  const code = systemCode(error);
  if (code === undefined || !UNSUPPORTED.includes(code)) return error;
  const fact = `the file system there cannot hold sockets, or not link them (${code}); use another directory, such as /run or /tmp`;
  return failure("UNSUPPORTED", "listen", address, fact, { cause: error });
}

/** What `rename` throws: in a directory with the sticky bit, only a file's owner may replace it. */
export function cannotReplace(error: unknown, path: string, address: string, uid: bigint): unknown {
  const code = systemCode(error);
  if (code !== "EPERM" && code !== "EACCES") return error;
  const fact = `the socket file ${JSON.stringify(path)} is left from a server of another user (uid ${uid}); remove it as that user or root`;
  return fromSystem(error, "listen", address, fact);
}

/** Says which part of the path a failed step of the claim means, and what to do. */
export function explainClaim(error: unknown, path: string): EarshotError {
  if (error instanceof EarshotError) return error;
  const address = `unix:${path}`;
  const directory = JSON.stringify(dirname(path));
  switch (systemCode(error)) {
    case "EACCES":
    case "EPERM":
      return fromSystem(
        error,
        "listen",
        address,
        `this user may not create files in ${directory}; check its mode and owner`,
      );
    case "EROFS":
      return fromSystem(error, "listen", address, `the file system of ${directory} is read-only`);
    case "ENOSPC":
    case "EDQUOT":
      return fromSystem(error, "listen", address, `there is no space left for files in ${directory}`);
    case "ENOENT":
      // Not NO_SERVER, which is what it means to a client.
      return failure(
        "SYSTEM_ERROR",
        "listen",
        address,
        `files vanished from ${directory} while the server started (ENOENT)`,
        {
          cause: error,
        },
      );
    default:
      return fromSystem(error, "listen", address);
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
