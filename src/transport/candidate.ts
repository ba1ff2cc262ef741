import { chmodSync, closeSync, constants, existsSync, lstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { failure } from "../errors.js";
import { unsupported } from "./claim-errors.js";
import { type ClaimNames, claimNames, TEMPORARY_SOCKET } from "./claim-names.js";
import { shortName } from "./probe.js";
import { pathLimitBytes } from "./resolve.js";
import type { FileIdentity } from "./socket-at.js";

/** Binds a new socket to exactly this path and listens; returns how to close it, at once. */
export type Bind = (path: string) => Promise<() => void>;

/** A socket that listens in a private directory beside the path it is meant for. */
export class Candidate {
  readonly path: string;
  readonly address: string;
  readonly names: ClaimNames;
  /** Where the socket is until `removeTemporary`. */
  readonly socketPath: string;
  readonly identity: FileIdentity;
  readonly #close: () => void;
  #descriptor: number | undefined;

  private constructor(path: string, socketPath: string, close: () => void, descriptor: number | undefined) {
    this.path = path;
    this.address = `unix:${path}`;
    this.names = claimNames(path);
    this.socketPath = socketPath;
    this.identity = lstatSync(socketPath, { bigint: true });
    this.#close = close;
    this.#descriptor = descriptor;
  }

  static async start(path: string, mode: number, bind: Bind): Promise<Candidate> {
    const names = claimNames(path);
    const isLong = Buffer.byteLength(path) + names.excessBytes > pathLimitBytes();
    if (isLong) assertShortNames(path, names);
    // Nobody but us can reach what is inside (0700), so the socket may have any mode until it has the right one. The
    // umask would do for the main thread, but Workers must not touch it, and it is the whole process's.
    const directory = mkdtempSync(names.temporaryPrefix);
    const socketPath = join(directory, TEMPORARY_SOCKET);
    const descriptor = isLong ? openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY) : undefined;
    let close: (() => void) | undefined;
    try {
      close = await bind(descriptor === undefined ? socketPath : shortName(descriptor, TEMPORARY_SOCKET));
      chmodSync(socketPath, mode);
      return new Candidate(path, socketPath, close, descriptor);
    } catch (error) {
      close?.();
      if (descriptor !== undefined) closeSync(descriptor);
      rmSync(directory, { recursive: true, force: true });
      throw unsupported(error, `unix:${path}`);
    }
  }

  /** The socket goes on under the names that it was linked to. */
  removeTemporary(): void {
    try {
      rmSync(dirname(this.socketPath), { recursive: true, force: true });
    } catch {
      // A leftover for somebody's next sweep; not worth a server.
    }
  }

  /** Stops listening. */
  close(): void {
    this.#close();
    this.dispose();
  }

  /**
   * To be called when the socket is closed. Until then libuv remembers the path that it was bound to, and removes it on
   * closing: the number in that path must not become another directory's.
   */
  dispose(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function assertShortNames(path: string, names: ClaimNames): void {
  if (process.platform === "linux" && existsSync("/proc/self/fd")) return;
  const excess = Buffer.byteLength(path) + names.excessBytes - pathLimitBytes();
  const fact = `the path is ${excess} bytes too long for the temporary names that are made from it on this system`;
  throw failure("ADDRESS_TOO_LONG", "listen", `unix:${path}`, fact);
}
