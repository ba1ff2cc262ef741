import { lstatSync, rmdirSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Candidate } from "./candidate.js";
import { TEMPORARY_SOCKET } from "./claim-names.js";
import { probe } from "./probe.js";

/** A private directory is empty, and its socket refuses, for the instant before its starter listens. */
const GRACE_MS = 10_000;

/**
 * Removes what killed starters for the same path have left beside it: their private directories and their rights. Best
 * effort; to be called when the candidate has the path, and still has its own private directory.
 *
 * @param dropRight removes a right if its holder is dead
 */
export async function sweepLeftovers(candidate: Candidate, dropRight: (name: string) => Promise<void>): Promise<void> {
  const { names, socketPath } = candidate;
  const entries = await readdir(names.directory).catch(() => []);
  for (const entry of entries) {
    const name = join(names.directory, entry);
    try {
      if (names.isRight(entry)) await dropRight(name);
      if (names.isTemporary(entry) && name !== dirname(socketPath)) await removeTemporary(name);
    } catch {
      // Another user's, another sweeper's, or not what its name says: not ours to mend.
    }
  }
}

async function removeTemporary(directory: string): Promise<void> {
  const stats = lstatSync(directory);
  if (!stats.isDirectory() || Date.now() - stats.mtimeMs < GRACE_MS) return;
  const socket = join(directory, TEMPORARY_SOCKET);
  const state = await probe(socket);
  if (state === "stale") rmSync(socket, { force: true });
  // Only if it is empty: what else may be in there is not ours.
  if (state === "stale" || state === "gone") rmdirSync(directory);
}
