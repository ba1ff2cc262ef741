import { readdirSync, readlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { claimNames, TEMPORARY_SOCKET } from "./claim-names.js";
import { type BoundSocket, listBoundSockets } from "./probe.js";

/** It only makes a message better: on a machine with very many open files, do without. */
const PATIENCE_MS = 1_000;

/**
 * The pid of the process that listens at `path`, where Linux lets us see it and there is no doubt; for messages only.
 * Reads the descriptors of all processes that this user may look into.
 */
export function findOwner(path: string): number | undefined {
  const [socket, ...others] = listListeners(path);
  if (socket === undefined || others.length > 0) return undefined;
  const deadline = performance.now() + PATIENCE_MS;
  const owners: number[] = [];
  for (const entry of list("/proc")) {
    if (performance.now() > deadline) return undefined;
    if (/^\d+$/.test(entry) && holdsSocket(entry, socket.inode)) owners.push(Number(entry));
  }
  return owners.length === 1 ? owners[0] : undefined;
}

/** What listens at `path`, or at one that it was given instead, as far as Linux lists it for everybody. */
export function listListeners(path: string): BoundSocket[] {
  return listBoundSockets().filter((bound) => bound.isListening && isBoundFor(bound, path));
}

/** The kernel remembers the name that was given to `bind`, which is a temporary one for servers of ours. */
function isBoundFor(bound: BoundSocket, path: string): boolean {
  if (bound.path === path) return true;
  const names = claimNames(path);
  const temporary = dirname(bound.path);
  return (
    basename(bound.path) === TEMPORARY_SOCKET &&
    dirname(temporary) === names.directory &&
    names.isTemporary(basename(temporary))
  );
}

function holdsSocket(pid: string, inode: string): boolean {
  const descriptors = `/proc/${pid}/fd`;
  return list(descriptors).some((descriptor) => {
    try {
      return readlinkSync(`${descriptors}/${descriptor}`) === `socket:[${inode}]`;
    } catch {
      return false;
    }
  });
}

/** Nothing for what has ended meanwhile or is another user's. */
function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
