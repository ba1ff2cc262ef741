/**
 * Sockets that the service manager opened, and passes to the process that it starts: sd_listen_fds(3). It keeps them
 * while the service is down, so their files are the manager's: never removed here, and never given another mode.
 */
import { fstatSync, readFileSync, readlinkSync } from "node:fs";
import { type EarshotError, type ErrorCode, failure, fromSystem, systemCode } from "../errors.js";
import { AF_UNIX, type Native, SO_ACCEPTCONN, SO_DOMAIN, SO_TYPE, SOCK_DGRAM, SOCK_STREAM } from "../native/binding.js";
import type { ListenTarget } from "./resolve.js";

type ActivationTarget = ListenTarget & { readonly kind: "activation" };

/** What is needed instead of another kind of socket. */
export const USE_STREAM = "and a stream socket of this machine is needed: ListenStream=/a/path in the .socket unit";

/** SD_LISTEN_FDS_START */
const FIRST_DESCRIPTOR = 3;
/** What a socket without a name is called, sd_listen_fds_with_names(3). */
const UNNAMED = "unknown";
/** In the flags of /proc/net/unix. */
const SO_ACCEPTCON = 0x10000;

/** For good: when a server closes its socket, the number becomes some other file's. */
const taken = new Set<number>();

/** What the kernel says of a socket. */
export interface SocketFacts {
  readonly isUnix: boolean;
  /** SOCK_STREAM or another, socket(2). */
  readonly type: number;
  readonly isListening: boolean;
  /** As `unix:/path` or `unix:@name`. */
  readonly address: string | undefined;
}

/**
 * Finds the socket that the address means, makes sure that a server can use it, and gives it away, once.
 *
 * @param look tells what a descriptor is, `undefined` where it cannot be known
 * @throws EarshotError `INVALID_ADDRESS`: nothing that fits was passed; `NOT_A_SOCKET`: it is of no use;
 * `ADDRESS_IN_USE`: it was taken before
 */
export function takeActivated(
  target: ActivationTarget,
  look: (fd: number) => SocketFacts | undefined,
  env: NodeJS.ProcessEnv = process.env,
): { readonly fd: number; readonly address: string } {
  const fd = choose(target, namesOfPassed(target, env));
  if (taken.has(fd)) {
    throw refuse("ADDRESS_IN_USE", target, `this process has taken it before (descriptor ${fd}), and that goes once`);
  }
  let facts: SocketFacts | undefined;
  try {
    // Whatever it is, it is no socket: one error instead of those of several calls.
    if (!fstatSync(fd).isSocket()) throw Object.assign(new Error("no socket"), { code: "ENOTSOCK" });
    facts = look(fd);
  } catch (error) {
    const isOther = systemCode(error) === "ENOTSOCK";
    const fact = isOther ? `descriptor ${fd} is not a socket, ${USE_STREAM}` : `descriptor ${fd} is not open`;
    throw fromSystem(error, "listen", target.text, fact);
  }
  const objection = facts === undefined ? undefined : objectionTo(facts);
  if (objection !== undefined) throw refuse("NOT_A_SOCKET", target, `descriptor ${fd} is ${objection}`);
  taken.add(fd);
  return { fd, address: facts?.address ?? target.text };
}

/** The names of descriptors 3, 4, ... */
function namesOfPassed(target: ActivationTarget, env: NodeJS.ProcessEnv): string[] {
  const { LISTEN_PID, LISTEN_FDS = "", LISTEN_FDNAMES } = env;
  const count = /^\d{1,6}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : 0;
  if (LISTEN_PID === undefined || count === 0) {
    const fact =
      "the service manager has passed no socket; start the program by its .socket unit, or to try it: systemd-socket-activate -l /tmp/try.sock node PROGRAM";
    throw refuse("INVALID_ADDRESS", target, fact);
  }
  if (LISTEN_PID !== String(process.pid)) {
    const fact = `the service manager has passed its sockets to process ${LISTEN_PID}, and this is ${process.pid}; let it start node itself, without npm, and with \`exec\` in a shell`;
    throw refuse("INVALID_ADDRESS", target, fact);
  }
  const names = LISTEN_FDNAMES?.split(":") ?? [];
  return Array.from({ length: count }, (_, index) => names[index] ?? UNNAMED);
}

function choose(target: ActivationTarget, names: readonly string[]): number {
  const indexes = [...names.keys()].filter((index) => target.name === undefined || names[index] === target.name);
  const [index] = indexes;
  if (index !== undefined && indexes.length === 1) return FIRST_DESCRIPTOR + index;
  const list = names.map((name) => JSON.stringify(name)).join(", ");
  const count = indexes.length === 0 ? "no socket" : `${indexes.length} sockets`;
  const which = target.name === undefined ? "" : ` of the name ${JSON.stringify(target.name)}`;
  const remedy = "write systemd:NAME, after FileDescriptorName= in the .socket unit";
  throw refuse("INVALID_ADDRESS", target, `the service manager has passed ${count}${which}: ${list}; ${remedy}`);
}

function objectionTo({ isUnix, type, isListening }: SocketFacts): string | undefined {
  if (!isUnix) return `a socket of the network, ${USE_STREAM}`;
  if (type !== SOCK_STREAM) return `a socket for ${type === SOCK_DGRAM ? "datagrams" : "packets"}, ${USE_STREAM}`;
  if (!isListening) return "a connection, not a socket that listens; write Accept=no in the .socket unit";
  return undefined;
}

function refuse(code: ErrorCode, target: ActivationTarget, fact: string): EarshotError {
  return failure(code, "listen", target.text, fact);
}

/** @throws the system's error */
export function lookByCalls(native: Native, fd: number): SocketFacts {
  const isUnix = native.socketOption(fd, SO_DOMAIN) === AF_UNIX;
  const name = isUnix ? native.socketName(fd).toString() : "";
  return {
    isUnix,
    type: native.socketOption(fd, SO_TYPE),
    isListening: native.socketOption(fd, SO_ACCEPTCONN) !== 0,
    address: toAddress(name.startsWith("\0") ? `@${name.slice(1)}` : name.replace(/\0$/, "")),
  };
}

/** The same without the addon. Nothing of a socket from another network namespace, or of one that is not a Unix one. */
export function lookInProc(fd: number): SocketFacts | undefined {
  let line: RegExpExecArray | null;
  try {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`)) ?? [];
    // Num: RefCount Protocol Flags Type St Inode Path
    const pattern = new RegExp(`^\\S+: \\S+ \\S+ (\\S+) (\\S+) \\S+ +${inode}(?: (.+))?$`, "m");
    line = pattern.exec(readFileSync("/proc/net/unix", "utf8"));
  } catch {
    return undefined;
  }
  if (line === null) return undefined;
  const [, flags = "", type = "", name = ""] = line;
  return {
    isUnix: true,
    type: Number.parseInt(type, 16),
    isListening: (Number.parseInt(flags, 16) & SO_ACCEPTCON) !== 0,
    address: toAddress(name),
  };
}

function toAddress(name: string): string | undefined {
  return name === "" ? undefined : `unix:${name}`;
}
