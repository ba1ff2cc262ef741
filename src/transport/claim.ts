/**
 * Taking a socket path, so that of any number of servers at most one has it, that no live one loses it, and that what
 * a killed one has left, at any step, is in nobody's way.
 *
 * It rests on four facts. `link` and `rename` work on bound sockets; a socket that listens answers at each of its
 * names; connecting to one whose process is gone is refused; and the kernel frees everything when a process dies.
 *
 * 1. Bind and listen in a private directory beside the path, `.NAME.new-RANDOM/s`; set the mode. So our sockets
 *    listen before anybody else can see them: refused at a name that we made means dead, for certain.
 * 2. `link` it to the path. If that works, the path was free and is ours.
 * 3. If a dead socket is there, take the right to replace exactly that inode: `.NAME.take-HASH`, a link to our own
 *    listening socket, so that anyone can see whether the holder lives. A right whose holder is dead is replaced like
 *    the path itself, by the right to replace it.
 * 4. Look again. Whoever comes late finds another inode at the path, and gives the right back. Otherwise only we may
 *    replace it: `rename` puts our socket there and ends the right in one step.
 *
 * Not covered: programs that remove the file and bind without looking; strangers in a directory where everybody may
 * create files (`/tmp`), who can occupy the path and the right like any other name; strangers who bind a socket with
 * the same path in a mount namespace of their own and do not listen, which looks like a server that starts; servers
 * that bind, and do not listen for 60 ms, where `/proc/net/unix` does not show them (no Linux, no /proc, a container
 * with a network of its own); directories that several machines share (NFS). File systems that cannot link sockets
 * are refused with `UNSUPPORTED`.
 */
import { linkSync, lstatSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { systemCode } from "../errors.js";
import { type Bind, Candidate } from "./candidate.js";
import { cannotReplace, explainClaim, type Obstacle, occupied, unsupported } from "./claim-errors.js";
import { ensureDirectory } from "./directory.js";
import { sweepLeftovers } from "./leftovers.js";
import { probe } from "./probe.js";
import { type FileIdentity, isSameFile, socketAt } from "./socket-at.js";

/** A socket path that is ours. */
export interface Claim {
  readonly path: string;
  readonly identity: Pick<FileIdentity, "dev" | "ino">;
  /**
   * Removes the socket file if it is still ours. To be called BEFORE the socket stops listening: while we answer,
   * nobody replaces our file between the look and the removal. Never throws; a file that stays is stale, no more.
   */
  release(): void;
  /** Frees what was needed as long as the socket was open; to be called when it is closed. */
  dispose(): void;
}

/** Returns what ends the turn. */
export type Queue = (directory: string) => Promise<() => void>;

const noQueue: Queue = async () => () => {};

/** How often to look again while others are at the same path; shared by all levels of one `take`. */
interface Patience {
  rounds: number;
  waitMs: number;
}

/** Three seconds: taking over lasts as long as a thorough probe, but a loaded machine may stretch it. */
const ROUNDS = 64;
const FIRST_WAIT_MS = 16;
const LAST_WAIT_MS = 50;

/**
 * Makes a listening socket the only one at `path`.
 *
 * @param path absolute, and not longer than `resolveSocket` allows
 * @param mode permissions of the socket file, exactly, whatever the umask
 * @param bind makes the socket listen at the path that it is given
 * @param queue waits until no other starter is busy in the directory, where that can be known
 * @throws EarshotError `ADDRESS_IN_USE`, `NOT_A_SOCKET`, `UNSAFE_DIRECTORY`, `PERMISSION_DENIED`, `ADDRESS_TOO_LONG`,
 * `UNSUPPORTED`, ...; then the socket is closed and no file of ours is left
 */
export async function claim(path: string, mode: number, bind: Bind, queue: Queue = noQueue): Promise<Claim> {
  const outcome = await tryClaim(path, mode, bind, queue);
  if (typeof outcome === "string") throw occupied(path, outcome);
  return outcome;
}

/** The same, for who need not know which process is there: to find that out takes long. */
export async function tryClaim(
  path: string,
  mode: number,
  bind: Bind,
  queue: Queue = noQueue,
): Promise<Claim | Obstacle> {
  const address = `unix:${path}`;
  ensureDirectory(dirname(path), "listen", address);
  const endTurn = await queue(dirname(path));
  try {
    // Before anything is made: the usual mistake is to start a server twice.
    const state = socketAt(path, address) === undefined ? "gone" : await probe(path);
    if (state === "live" || state === "foreign") return state;
    const candidate = await Candidate.start(path, mode, bind);
    const outcome = await takeAndSweep(candidate);
    if (outcome !== "taken") return outcome;
    return {
      path,
      identity: candidate.identity,
      release: () => removeIfSame(path, candidate.identity),
      dispose: () => candidate.dispose(),
    };
  } catch (error) {
    throw explainClaim(error, path);
  } finally {
    endTurn();
  }
}

/** Leaves the candidate listening at its path alone, or closed. */
async function takeAndSweep(candidate: Candidate): Promise<"taken" | Obstacle> {
  let isTaken = false;
  try {
    const outcome = await take(candidate.path, candidate, { rounds: ROUNDS, waitMs: FIRST_WAIT_MS });
    if (outcome !== "taken") return outcome;
    await sweepLeftovers(candidate, async (name) => {
      // To hold a right is the only licence to remove it: without, we might remove what another has just taken over.
      if ((await take(name, candidate, { rounds: 2, waitMs: 0 })) === "taken") unlinkSync(name);
    });
    isTaken = true;
    return outcome;
  } finally {
    if (!isTaken) candidate.close();
    candidate.removeTemporary();
  }
}

/**
 * Puts the candidate at `name`: the path itself, or a right.
 *
 * Why no two succeed: a name with a dead socket is only ever replaced by the holder of the right to that inode, and
 * the holder looks, after it has the right, whether the inode is still there. The right in turn is a name that only
 * its living holder removes, or the holder of the right to it.
 */
async function take(name: string, candidate: Candidate, patience: Patience): Promise<"taken" | Obstacle> {
  while (patience.rounds-- > 0) {
    if (linkIfFree(candidate, name)) return "taken";
    const found = socketAt(name, candidate.address);
    if (found === undefined) continue;
    const state = await probe(name);
    if (state === "gone") continue;
    if (state !== "stale") return state;
    const right = candidate.names.rightTo(name, found.ino);
    if ((await take(right, candidate, patience)) !== "taken") {
      // Its holder is about to finish, or to die.
      await delay(patience.waitMs);
      patience.waitMs = Math.min(patience.waitMs * 2, LAST_WAIT_MS);
      continue;
    }
    const outcome = await replace(name, found, right, candidate);
    if (outcome !== "changed") return outcome;
  }
  return "contended";
}

/** Gives the right back in any case: by the rename, or by removing it. */
async function replace(
  name: string,
  stale: FileIdentity,
  right: string,
  candidate: Candidate,
): Promise<"taken" | "changed" | Obstacle> {
  let isReplaced = false;
  try {
    // Only at the path itself there may be a server that is not ours, and bound without listening yet.
    const state = await probe(name, { isThorough: name === candidate.path });
    if (state === "live" || state === "foreign") return state;
    if (state === "gone" || !isSameFile(socketAt(name, candidate.address), stale)) return "changed";
    renameSync(right, name);
    isReplaced = true;
    return "taken";
  } catch (error) {
    throw cannotReplace(error, name, candidate.address, stale.uid);
  } finally {
    if (!isReplaced) rmSync(right, { force: true });
  }
}

function linkIfFree(candidate: Candidate, name: string): boolean {
  try {
    linkSync(candidate.socketPath, name);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw unsupported(error, candidate.address);
  }
}

/** Never throws: what stays is stale. */
export function removeIfSame(path: string, identity: Pick<FileIdentity, "dev" | "ino">): void {
  try {
    if (isSameFile(lstatSync(path, { bigint: true, throwIfNoEntry: false }), identity)) unlinkSync(path);
  } catch {
    // The directory has become unreachable or read-only. What stays is stale, and the next server replaces it.
  }
}
