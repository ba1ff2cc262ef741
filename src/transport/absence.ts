import { linkSync, lstatSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Claim } from "./claim.js";
import { claimNames, TEMPORARY_SOCKET } from "./claim-names.js";
import { isSameFile } from "./socket-at.js";

/**
 * So long a server is heard after its name was taken away: who has found the file just before is connected within
 * microseconds, unless the machine is so busy that the process stands still between.
 */
const LAST_CALL_MS = 20;

/**
 * A server is about to leave: its file is out of sight, and comes back if somebody has come. The file is moved and not
 * removed, because a socket without a name cannot be given one.
 */
export class Absence {
  /** Resolves when nobody has come in time, somebody has, or `end` was called. */
  readonly over: Promise<void>;
  #end: () => void = () => {};
  readonly #path: string | undefined;
  /** The private directory in which the file is. */
  #directory: string | undefined;
  #isBack = false;

  /** @param claim of the socket's file; without it the server stays where it is, in sight */
  constructor(claim: Pick<Claim, "path" | "identity" | "release"> | undefined) {
    this.#path = claim?.path;
    this.#directory = claim === undefined ? undefined : hide(claim);
    this.over = new Promise((resolve) => {
      let last: NodeJS.Immediate | undefined;
      // A process that was busy has its timers before its sockets: who has come meanwhile is heard first.
      const timer = setTimeout(() => {
        last = setImmediate(() => this.#end());
      }, LAST_CALL_MS);
      this.#end = () => {
        clearTimeout(timer);
        clearImmediate(last);
        this.#drop();
        resolve();
      };
    });
  }

  /** Whether the file is where it was, or there is none and somebody has come. */
  get isBack(): boolean {
    return this.#isBack;
  }

  /** Somebody has connected. */
  onCaller(): void {
    // A name without a file has never been away.
    if (this.#path === undefined) this.#isBack = true;
    else if (this.#directory === undefined) return;
    else this.#isBack = hasLinked(join(this.#directory, TEMPORARY_SOCKET), this.#path);
    this.#end();
  }

  end(): void {
    this.#end();
  }

  #drop(): void {
    if (this.#directory === undefined) return;
    try {
      rmSync(this.#directory, { recursive: true, force: true });
    } catch {
      // A leftover for somebody's next sweep.
    }
    this.#directory = undefined;
  }
}

/** Returns the directory in which the file is now; `undefined` if there is no way back: it is not ours, or just gone. */
function hide({ path, identity, release }: Pick<Claim, "path" | "identity" | "release">): string | undefined {
  let directory: string | undefined;
  try {
    // Another starter that finds it after our death takes it for what it is then, a leftover.
    directory = mkdtempSync(claimNames(path).temporaryPrefix);
    // While we answer, nobody replaces our file between the look and the move.
    if (isSameFile(lstatSync(path, { bigint: true, throwIfNoEntry: false }), identity)) {
      renameSync(path, join(directory, TEMPORARY_SOCKET));
      return directory;
    }
  } catch {
    // No space, or a directory that has become another's.
  }
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  release();
  return undefined;
}

/** Never over a file that is there. */
function hasLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}
