import { closeSync, constants, openSync, readFileSync, realpathSync } from "node:fs";
import { connect } from "node:net";
import { basename, dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { systemCode } from "../errors.js";
import { pathLimitBytes } from "./resolve.js";

/**
 * - `live`: a server answers, or we cannot tell; it must not be evicted.
 * - `stale`: the socket of a server that is gone.
 * - `gone`: there is no file.
 * - `foreign`: the file is not a stream socket.
 */
export type SocketState = "live" | "stale" | "gone" | "foreign";

export interface ProbeOptions {
  /**
   * How often a refusal is asked again before it means `stale`, over `RETRY_DELAYS_MS`, and whether the kernel's list
   * of bound sockets is asked too. Any server binds before it listens; only one that is known to have listened
   * before its file got this name (ours) is dead for certain at the first refusal. Default `false`.
   */
  readonly isThorough?: boolean;
}

const RETRY_DELAYS_MS = [5, 15, 40];

/** A server that stops just when the kernel has connected us resets the connection: it is worth asking what is there now. */
const RESET_ATTEMPTS = 5;

const STATES: Readonly<Record<string, SocketState>> = {
  // The queue of connections is full: somebody listens, slowly.
  EAGAIN: "live",
  EACCES: "live",
  EPERM: "live",
  ECONNREFUSED: "stale",
  ENOENT: "gone",
  ENOTSOCK: "foreign",
  EPROTOTYPE: "foreign",
};

/**
 * Asks who is at `path` by connecting to it; the server sees a connection that closes without a byte. A symbolic link
 * is followed, and the path may be longer than a socket's can be.
 *
 * @throws the system's error if it says nothing about the socket (`EMFILE`)
 */
export async function probe(path: string, { isThorough = false }: ProbeOptions = {}): Promise<SocketState> {
  for (const waitMs of isThorough ? RETRY_DELAYS_MS : []) {
    // Before connecting: a server seen here that starts to listen now is going to answer below.
    if (isBoundSilently(path)) return "live";
    const state = await connectOnce(path);
    if (state !== "stale") return state;
    await delay(waitMs);
  }
  return connectOnce(path);
}

async function connectOnce(path: string): Promise<SocketState> {
  for (let attempt = 0; attempt < RESET_ATTEMPTS; attempt++) {
    const code = await withShortName(path, connectFor);
    if (code === undefined) return "live";
    if (code === "ECONNRESET") continue;
    return STATES[code] ?? "live";
  }
  return "live";
}

/** Connects, and resolves with the code of the refusal if there is one that says something about the socket. */
function connectFor(name: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(name);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error) => {
      const code = systemCode(error);
      if (code === "ECONNRESET" || (code !== undefined && code in STATES)) resolve(code);
      else reject(error);
    });
  });
}

/** Calls `use` with a name for `path` that fits into a socket's address. */
async function withShortName<T>(path: string, use: (name: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= pathLimitBytes()) return use(path);
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(shortName(directory, basename(path)));
  } finally {
    closeSync(directory);
  }
}

/** A short path to a file in an open directory, valid in this process while the descriptor is open. Linux only. */
export function shortName(descriptor: number, name: string): string {
  return `/proc/self/fd/${descriptor}/${name}`;
}

/** A stream socket that is bound to a path and not connected: a server, or one that is about to be. */
export interface BoundSocket {
  /** The path as the server gave it to `bind`; relative ones are relative to a directory that we don't know. */
  readonly path: string;
  /** The number in `/proc/PID/fd/N -> socket:[INODE]`; not that of the file. */
  readonly inode: string;
  readonly isListening: boolean;
}

/** All stream servers of this network namespace, as Linux lists them in `/proc/net/unix`; else nothing. */
export function listBoundSockets(): BoundSocket[] {
  let table: string;
  try {
    table = readFileSync("/proc/net/unix", "utf8");
  } catch {
    return [];
  }
  // Num: RefCount Protocol Flags Type St Inode Path. Type 0001 is SOCK_STREAM. St 01 is unconnected: connections that
  // a server has accepted carry its path too, with 03, and can outlive it in a child process.
  const line = /^\S+: \S+ \S+ (\S+) 0001 01 +(\d+) (.+)$/gm;
  return [...table.matchAll(line)].map(([, flags = "", inode = "", path = ""]) => ({
    path,
    inode,
    // __SO_ACCEPTCON
    isListening: (Number.parseInt(flags, 16) & 0x10000) !== 0,
  }));
}

/**
 * Is a server bound to `path` that does not listen yet? One that listens needs no second opinion, it answers; and if it
 * does not answer at `path` then its file was removed, and the one that is there now is another's.
 */
function isBoundSilently(path: string): boolean {
  return listBoundSockets().some((socket) => !socket.isListening && isSamePath(socket.path, path));
}

function isSamePath(one: string, other: string): boolean {
  if (one === other) return true;
  if (!one.startsWith("/") || basename(one) !== basename(other)) return false;
  try {
    return realpathSync(dirname(one)) === realpathSync(dirname(other));
  } catch {
    return false;
  }
}
