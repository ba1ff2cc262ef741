import { accessSync, constants, lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { claimNames } from "./claim-names.js";
import { currentUser, findDanger, type User } from "./directory.js";

/** What is at a path. */
export interface FileFacts {
  /** What it is; links are not followed. */
  readonly kind: "socket" | "file" | "directory" | "symbolic link" | "something else";
  /** Four octal digits; of a link's target, if there is one. */
  readonly mode: string;
  /** Its owner. */
  readonly uid: number;
  /** Its group. */
  readonly gid: number;
  /** Of a link: where it leads, as it says. */
  readonly target: string | undefined;
  /** Of a link: whether there is a socket at its end. */
  readonly leadsToSocket: boolean;
}

/** The directory that a socket is in. */
export interface DirectoryFacts {
  /** Absolute. */
  readonly path: string;
  /** Four octal digits. */
  readonly mode: string;
  /** Its owner. */
  readonly uid: number;
  /** Its group. */
  readonly gid: number;
  /** Why nobody can trust a socket in it, and what to do. */
  readonly danger: string | undefined;
  /** Why this user cannot listen in it, although others can. */
  readonly obstacle: string | undefined;
}

/** `undefined` if there is nothing. @throws the system's error */
export function lookAtFile(path: string): FileFacts | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const isLink = stats.isSymbolicLink();
  const end = isLink ? statOrNothing(path) : stats;
  const { uid, gid } = end ?? stats;
  return {
    kind: kindOf(stats),
    mode: modeOf(end ?? stats),
    uid,
    gid,
    target: isLink ? readlinkSync(path) : undefined,
    leadsToSocket: isLink && end?.isSocket() === true,
  };
}

/** The directory of a socket; `undefined` if there is none. @throws the system's error */
export function lookAtDirectory(socketPath: string): DirectoryFacts | undefined {
  const path = dirname(socketPath);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const { uid, gid } = stats;
  const self = currentUser();
  // That a service has a directory of its own is no danger to its callers: judged as its owner would.
  const owner: User = uid === self.uid ? self : { uid, gid: uid, isAlone: () => true };
  const danger = findDanger(path, stats, owner);
  const obstacle = danger === undefined ? obstacleIn(path, stats, self) : undefined;
  return { path, mode: modeOf(stats), uid, gid, danger, obstacle };
}

/** What killed starters left beside a path, or those at work have at this moment. */
export function findLeftovers(socketPath: string): string[] {
  const names = claimNames(socketPath);
  try {
    return readdirSync(names.directory).filter((entry) => names.isTemporary(entry) || names.isRight(entry));
  } catch {
    return [];
  }
}

function obstacleIn(path: string, stats: Stats, self: User): string | undefined {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return findDanger(path, stats, self);
  } catch {
    return `this user may not create files in the directory ${JSON.stringify(path)}; start the server as uid ${stats.uid}, or use another path`;
  }
}

function kindOf(stats: Stats): FileFacts["kind"] {
  if (stats.isSocket()) return "socket";
  if (stats.isSymbolicLink()) return "symbolic link";
  if (stats.isDirectory()) return "directory";
  return stats.isFile() ? "file" : "something else";
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function statOrNothing(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
