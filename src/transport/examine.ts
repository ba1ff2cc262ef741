import type { Address } from "../address.js";
import { EarshotError, type ErrorCode, fromSystem, systemCode } from "../errors.js";
import type { Credentials } from "./credentials.js";
import { chooseSockets, type Sockets } from "./kind.js";
import { findOwner } from "./owner.js";
import { type DirectoryFacts, type FileFacts, findLeftovers, lookAtDirectory, lookAtFile } from "./place.js";
import { describeProcess, type ProcessFacts } from "./process.js";
import { pathLimitBytes, pathOf, resolvePath, resolveSocket, type SocketTarget } from "./resolve.js";
import { examineSystem, type SystemFacts } from "./system.js";
import { judge } from "./verdict.js";

/**
 * What is at an address, in a word:
 *
 * - `live`: a server takes connections; `busy`: one is there, and its queue of them is full.
 * - `free`: nothing is there; `stale`: the socket file of a server that is gone.
 * - `forbidden`: this user may not connect.
 * - `blocked`: something else is there.
 * - `unusable`: there can be no socket at this address.
 */
export type AddressState = "live" | "busy" | "free" | "stale" | "forbidden" | "blocked" | "unusable";

/** Something that is wrong or worth knowing, and what to do about it. */
export interface Finding {
  /** What `dial` fails with because of it, or `listen` if there is no server; `undefined` if neither does. */
  readonly code: ErrorCode | undefined;
  /** For people: the fact, and what to do. */
  readonly text: string;
}

/** The process that listens, as far as the system tells. */
export interface ServerFacts extends Partial<ProcessFacts> {
  /** Its number. */
  readonly pid: number | undefined;
}

/** A path that a socket can, or cannot, have. */
export interface SocketPath {
  /** Absolute. */
  readonly text: string;
  /** Its length in bytes of UTF-8. */
  readonly bytes: number;
  /** The longest that this system takes. */
  readonly limitBytes: number;
}

/** What is at an address. Whatever is `undefined` is not there, or cannot be known. */
export interface SocketExamination {
  /** As `unix:/path` or `unix:@name`. */
  readonly resolved: string | undefined;
  /** The absolute path, how long it is, and how long it may be; `undefined` for an abstract name. */
  readonly path: SocketPath | undefined;
  /** All of it in a word. */
  readonly state: AddressState;
  /** What is at the path. */
  readonly file: FileFacts | undefined;
  /** The directory that it is in. */
  readonly directory: DirectoryFacts | undefined;
  /** Names in the directory that belong to servers which are taking the path, or were killed when they did. */
  readonly leftovers: readonly string[];
  /** Who listens. */
  readonly server: ServerFacts | undefined;
  /** What this machine and this installation can do. */
  readonly system: SystemFacts;
  /** The first that has a code decides. */
  readonly findings: readonly Finding[];
}

type Place = Pick<SocketExamination, "resolved" | "path" | "file" | "directory" | "leftovers"> & {
  /** Where there is something to connect to. */
  readonly target: SocketTarget | undefined;
  /** Why there is not. */
  readonly error: EarshotError | undefined;
};

const NOWHERE: Place = {
  resolved: undefined,
  path: undefined,
  file: undefined,
  directory: undefined,
  leftovers: [],
  target: undefined,
  error: undefined,
};

/** Looks at all that decides whether a server can be reached, or can listen, at an address. Changes nothing. */
export async function examineSocket(address: Address, timeoutMs: number): Promise<SocketExamination> {
  const { sockets, finding } = usualSockets();
  const { target, error, ...place } = lookAround(address);
  const outcome = target === undefined ? undefined : await connect(sockets, target, timeoutMs);
  const state = outcome?.state ?? stateWithout(place.file, error);
  const isThere = state === "live" || state === "busy" || state === "forbidden";
  const server = isThere ? describeServer(outcome?.transport?.credentials, place.path?.text) : undefined;
  outcome?.transport?.close();
  const system = examineSystem(sockets.kind);
  const seen = { ...place, state, server, system };
  const findings = judge(seen, outcome?.error ?? error);
  return { ...seen, findings: finding === undefined ? findings : [finding, ...findings] };
}

/** Resolves with true when the server ends a connection on which nothing comes: it lives, whatever it speaks. */
export async function endsEmptyConnection(
  kind: Sockets["kind"],
  address: SocketTarget,
  timeoutMs: number,
): Promise<boolean> {
  const { transport } = await connect(chooseSockets(kind), address, timeoutMs);
  // It has gone in this moment.
  if (transport === undefined) return false;
  return await new Promise((resolve) => {
    const settle = (hasEnded: boolean) => {
      clearTimeout(timer);
      resolve(hasEnded);
      transport.close();
    };
    const timer = setTimeout(() => settle(false), timeoutMs);
    transport.start({
      readInto: () => undefined,
      onBytes: () => settle(true),
      onEnd: () => settle(true),
      onDrain() {},
      onClose: () => settle(true),
    });
    transport.end();
  });
}

/** Those that `listen` and `dial` use; if they cannot, because of the environment, the portable ones, and why. */
function usualSockets(): { readonly sockets: Sockets; readonly finding: Finding | undefined } {
  try {
    return { sockets: chooseSockets("auto"), finding: undefined };
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    const text = `${error.message}; or unset EARSHOT_TRANSPORT`;
    return { sockets: chooseSockets("net"), finding: { code: error.code, text } };
  }
}

function lookAround(address: Address): Place {
  let place = NOWHERE;
  try {
    if (address.kind === "abstract" || address.kind === "activation") {
      place = { ...place, resolved: address.text };
      return { ...place, target: resolveSocket(address, "dial") };
    }
    const text = pathOf(address, "dial");
    const path = { text, bytes: Buffer.byteLength(text), limitBytes: pathLimitBytes() };
    place = { ...place, resolved: `unix:${text}`, path };
    const target = resolvePath(text, "dial");
    place = { ...place, directory: lookAtDirectory(text), leftovers: findLeftovers(text) };
    const file = lookAtFile(text);
    place = { ...place, file };
    return file?.kind === "socket" || file?.leadsToSocket ? { ...place, target } : place;
  } catch (error) {
    return { ...place, error: fromSystem(error, "dial", place.resolved ?? address.text) };
  }
}

function stateWithout(file: FileFacts | undefined, error: EarshotError | undefined): AddressState {
  if (error?.code === "PERMISSION_DENIED") return "forbidden";
  if (error !== undefined) return "unusable";
  return file === undefined ? "free" : "blocked";
}

async function connect(sockets: Sockets, target: SocketTarget, timeoutMs: number) {
  try {
    const transport = await sockets.dial(target, { timeoutMs, signal: undefined, spinUs: 0 });
    return { state: "live", transport, error: undefined } as const;
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    return { state: stateAfter(error, target), transport: undefined, error } as const;
  }
}

function stateAfter(error: EarshotError, target: SocketTarget): AddressState {
  const code = systemCode(error.cause);
  // An abstract name is gone with its server.
  if (code === "ECONNREFUSED") return target.kind === "path" ? "stale" : "free";
  if (code === "ENOENT") return "free";
  if (code === "EPROTOTYPE") return "blocked";
  if (error.code === "PERMISSION_DENIED") return "forbidden";
  return code === "EAGAIN" || error.code === "TIMEOUT" ? "busy" : "unusable";
}

function describeServer(credentials: Credentials | undefined, path: string | undefined): ServerFacts | undefined {
  // Who began to listen may have left the socket to a child.
  const heir = credentials?.isPidTrusted || path === undefined ? undefined : findOwner(path);
  const pid = heir ?? (credentials?.pid || undefined);
  const facts = pid === undefined ? undefined : describeProcess(pid);
  const uid = credentials?.uid ?? facts?.uid;
  return pid === undefined && uid === undefined ? undefined : { ...facts, pid, uid };
}
