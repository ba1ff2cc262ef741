import type { Native } from "../native/binding.js";

/** Who is at the other end of a connection, as the kernel tells: no program can claim to be another user. */
export interface Credentials {
  /** The effective user when it connected or, of a server, when it began to listen. SO_PEERCRED, unix(7). */
  readonly uid: number;
  /** The effective group then. */
  readonly gid: number;
  /** Its supplementary groups then; none before Linux 4.13. */
  readonly groups: readonly number[];
  /** The process that connected, 0 if it is in a namespace that this one cannot see into. */
  readonly pid: number;
  /**
   * Whether `pid` still is that process: it lives at this moment, as a pidfd of the connection shows. False when it is
   * gone, for then its number may be another's, and before Linux 6.5, where nobody can tell.
   */
  readonly isPidTrusted: boolean;
}

/** What the kernel says for a user that it does not know. */
const NO_USER = 0xffff_ffff;

/** `undefined` if the kernel does not know. */
export function credentialsOf(native: Native, fd: number): Credentials | undefined {
  try {
    const [pid, uid, gid] = native.peerCredentials(fd);
    if (uid === NO_USER) return undefined;
    return { uid, gid, groups: groupsOf(native, fd), pid, isPidTrusted: pid !== 0 && isAlive(native, fd) };
  } catch {
    return undefined;
  }
}

/** Whether it is a process of this one's user, for much less than `credentialsOf`. */
export function isSameUser(native: Native, fd: number): boolean {
  try {
    return native.isSameUser(fd);
  } catch {
    return false;
  }
}

function groupsOf(native: Native, fd: number): number[] {
  try {
    return native.peerGroups(fd);
  } catch {
    return [];
  }
}

function isAlive(native: Native, fd: number): boolean {
  try {
    const pidfd = native.peerPidfd(fd);
    const isGone = native.isReadable(pidfd);
    native.close(pidfd);
    return !isGone;
  } catch {
    return false;
  }
}
