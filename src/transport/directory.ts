import { existsSync, lstatSync, mkdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { type EarshotError, failure, fromSystem, type Operation, systemCode } from "../errors.js";

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
const STICKY = 0o1000;

/** On whose behalf a directory is judged. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** Is this user the only member of the group? */
  isAlone(gid: number): boolean;
}

/**
 * Makes sure that a socket in `directory` stays where it was put: creates the directory if it is missing (every new
 * level with mode 0700), and refuses one in which somebody else could replace our files. A link to a directory will do.
 *
 * @throws EarshotError `UNSAFE_DIRECTORY`; `INVALID_ADDRESS` or `PERMISSION_DENIED` if it is no directory or cannot be one
 */
export function ensureDirectory(directory: string, op: Operation, address: string): void {
  const stats = statOrCreate(directory, op, address);
  if (!stats.isDirectory()) {
    throw failure("INVALID_ADDRESS", op, address, `${JSON.stringify(directory)} is not a directory`);
  }
  const danger = findDanger(directory, stats, currentUser());
  if (danger !== undefined) throw failure("UNSAFE_DIRECTORY", op, address, danger);
}

/**
 * Where the sockets of bare names are: `$XDG_RUNTIME_DIR/earshot`, else `/run/user/UID/earshot`, else
 * `earshot-UID` in the directory for temporary files. Anybody can make the last one before us, so it must be ours
 * and closed to all others, or even a client would talk to a stranger; `"listen"` creates it.
 *
 * @throws EarshotError `UNSAFE_DIRECTORY`
 */
export function runtimeDirectory(env: NodeJS.ProcessEnv, op: Operation, address: string): string {
  const { XDG_RUNTIME_DIR: given } = env;
  if (given !== undefined && isAbsolute(given)) return join(given, "earshot");
  const { uid } = currentUser();
  const session = `/run/user/${uid}`;
  if (statOrNothing(session)?.uid === uid) return join(session, "earshot");
  const directory = join(tmpdir(), `earshot-${uid}`);
  try {
    // Not recursive: the directory for temporary files exists, or something is wrong that we must not paper over.
    if (op === "listen" && !existsSync(directory)) mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw cannotCreate(error, directory, op, address);
  }
  const stats = lstatSync(directory, { throwIfNoEntry: false });
  if (stats === undefined) return directory;
  if (!stats.isDirectory() || stats.uid !== uid || (stats.mode & 0o077) !== 0) {
    throw failure("UNSAFE_DIRECTORY", op, address, explainForeign(directory, stats, uid));
  }
  return directory;
}

/**
 * What makes a directory unsafe for a socket, as a sentence with its remedy; `undefined` if it is safe. Safe means
 * that nobody but the user and root can rename or remove what is in it.
 */
export function findDanger(directory: string, stats: Stats, user: User): string | undefined {
  const quoted = JSON.stringify(directory);
  if (user.uid !== 0 && stats.uid !== user.uid && stats.uid !== 0) {
    return `the directory ${quoted} belongs to another user (uid ${stats.uid}); use a directory of your own`;
  }
  if ((stats.mode & STICKY) !== 0) return undefined;
  if ((stats.mode & OTHERS_WRITE) !== 0) {
    return `every user may replace files in the directory ${quoted}; run: chmod go-w ${quoted}`;
  }
  if ((stats.mode & GROUP_WRITES) !== 0 && !isPrivateGroup(stats, user)) {
    return `the group (gid ${stats.gid}) may replace files in the directory ${quoted}; run: chmod go-w ${quoted}`;
  }
  return undefined;
}

/** Many systems give each user a group of the same number and a umask of 002; such a group lets nobody else in. */
function isPrivateGroup(stats: Stats, { uid, gid, isAlone }: User): boolean {
  return uid !== 0 && stats.uid === uid && stats.gid === uid && gid === uid && isAlone(gid);
}

/** Who this process is. */
export function currentUser(): User {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, isAlone: isAloneInGroup };
}

function isAloneInGroup(gid: number): boolean {
  try {
    const { username } = userInfo();
    const groups = readFileSync("/etc/group", "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .filter((fields) => fields[2] === String(gid));
    const members = groups.flatMap((fields) => (fields[3] ?? "").split(",")).filter((name) => name !== "");
    return groups.length > 0 && members.every((name) => name === username);
  } catch {
    // No such user or no such file: nothing says that the group is private.
    return false;
  }
}

function statOrCreate(directory: string, op: Operation, address: string): Stats {
  try {
    const found = statSync(directory, { throwIfNoEntry: false });
    if (found !== undefined) return found;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return statSync(directory);
  } catch (error) {
    throw cannotCreate(error, directory, op, address);
  }
}

function cannotCreate(error: unknown, directory: string, op: Operation, address: string): EarshotError {
  const quoted = JSON.stringify(directory);
  const code = systemCode(error);
  if (code === "EEXIST" || code === "ENOTDIR" || code === "ENOENT" || code === "ELOOP") {
    const fact = `${quoted} cannot be a directory: a part of it is a file or a broken link (${code})`;
    return failure("INVALID_ADDRESS", op, address, fact, { cause: error });
  }
  return fromSystem(error, op, address, `the directory ${quoted} cannot be used or created`);
}

function statOrNothing(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function explainForeign(directory: string, stats: Stats, uid: number): string {
  const quoted = JSON.stringify(directory);
  if (!stats.isDirectory()) return `${quoted} is not a directory; remove it, or set XDG_RUNTIME_DIR`;
  if (stats.uid !== uid) {
    return `the directory ${quoted} belongs to another user (uid ${stats.uid}); set XDG_RUNTIME_DIR to one of your own`;
  }
  return `other users have access to the directory ${quoted}; run: chmod go-rwx ${quoted}`;
}
