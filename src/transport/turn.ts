import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Native } from "../native/binding.js";

/** A claim takes a few milliseconds, a thorough probe less than a hundred. */
const PATIENCE_MS = 250;
const LOOK_AGAIN_MS = 2;

/**
 * Waits for this process's turn to claim a path in a directory: flock(2) on the directory, which leaves no file behind
 * and ends with the process. Starters that come together then go one after the other instead of getting in each other's
 * way. Nothing rests on it: who does not have it (a server over `node:net`), and who waits in vain because some other
 * program locks the directory, is as safe as before.
 *
 * @returns what ends the turn
 */
export async function takeTurn(native: Native, directory: string): Promise<() => void> {
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return () => {};
  }
  const end = () => closeSync(fd);
  const deadline = performance.now() + PATIENCE_MS;
  try {
    while (!native.lock(fd) && performance.now() < deadline) await delay(LOOK_AGAIN_MS);
    return end;
  } catch {
    // A file system without locks.
    end();
    return () => {};
  }
}
