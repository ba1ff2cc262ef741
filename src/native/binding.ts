import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Of `earshot.c` and `view.c`: one that was built from others does other things than are declared here. To be raised with these. */
const ADDON_VERSION = 6;
/** `read`, `write`, `accept` and `lock` answer with this, or `false`, where they would have to wait. */
export const WOULD_BLOCK = -1;
/** What the callback of `onReady` returns to be called again at once. */
export const AT_ONCE = -1;
/** What `watch` takes and `onReady` brings, as libuv numbers them. */
export const READABLE = 1;
export const WRITABLE = 2;
/** The other side is gone, or has at least ended its direction; for who does not read. */
export const DISCONNECT = 4;
/** What `onReady` brings of a descriptor with `lookAt`: to look now, and that nobody looks any more. */
export const LOOK = 8;
export const OVER = 16;
/** The kinds of socket, socket(2). */
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
/** Options that `socketOption` reads, socket(7). */
export const SO_TYPE = 3;
export const SO_ACCEPTCONN = 30;
export const SO_DOMAIN = 39;
export const AF_UNIX = 1;
/** How many descriptors Linux takes in one message: SCM_MAX_FD, unix(7). */
export const MAX_DESCRIPTORS = 253;
/** What nobody can do to memory any more, fcntl(2): add seals, make it smaller, make it larger. */
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
/** Views that V8 counts as memory of their own, so that it collects garbage for one of 64 MiB. */
export const COUNTED = 0;
/** Views that it does not count, but that anybody can detach, and move to another thread. */
export const UNCOUNTED = 1;
/** Views that only `detach` can. */
export const LOCKED = 2;
export type ViewKind = typeof COUNTED | typeof UNCOUNTED | typeof LOCKED;
/** How many chunks one `write` looks at. */
export const MAX_CHUNKS = 128;

/**
 * What `earshot.c` and `view.c` can do: system calls on non-blocking Unix sockets. Whatever the kernel refuses is thrown as an error
 * with `code`, `errno` and `syscall`. Descriptors that come from here (`socket`, `accept`, `duplicate`, `adopt`,
 * `peerPidfd`, `takeDescriptors`) are closed by `close`, or when the thread ends.
 */
export interface Native {
  readonly version: number;
  /** Whether `view` can make others than `COUNTED` ones here. */
  readonly canBeUncounted: boolean;
  socket(type: number): number;
  /** @param address a path, or an abstract name behind a NUL */
  bind(fd: number, address: Uint8Array): void;
  listen(fd: number, backlog: number): void;
  /** Returns `WOULD_BLOCK` when nobody waits. */
  accept(fd: number): number;
  connect(fd: number, address: Uint8Array): void;
  /**
   * Returns how many bytes came, 0 at the end, `WOULD_BLOCK` when there are none yet; below that, `-1 - result` bytes and
   * descriptors, which must be taken before the next read.
   *
   * @param overflow what finds no place in `into` goes here
   */
  read(fd: number, into: Uint8Array, overflow?: Uint8Array): number;
  /** The descriptors that the last `read` brought; from now on they are the caller's to close. */
  takeDescriptors(): number[];
  /**
   * Returns how many bytes were taken, of one chunk or of the first `MAX_CHUNKS`; or `WOULD_BLOCK`.
   *
   * @param descriptors arrive with the first of these bytes; they stay open here
   */
  write(fd: number, chunks: Uint8Array | readonly Uint8Array[], descriptors?: readonly number[]): number;
  /** How much the kernel may keep for a reader that is slower; at most what the system allows. SO_SNDBUF, socket(7). */
  setSendBuffer(fd: number, bytes: number): void;
  /** Half-close: the other side sees the end. */
  shutdown(fd: number): void;
  /** Of a listening socket: who connects from now on is refused. Those in its queue can still be accepted, and then none. */
  refuse(fd: number): void;
  /**
   * Calls back when a watched socket is ready; once for each thread. `events` is 0 after an error, which the next `read` or
   * `write` names, and then nothing is watched any more. `idleUs` is how long ago the last call for this socket was over.
   * What the callback returns is for more to read: `AT_ONCE` to be called again without looking, a number of
   * microseconds to look for it so long before the thread goes to sleep, or 0. Looking ends when the event loop has anything
   * else to do, and other processes may run meanwhile. What it finds is in `buffer`, and `count` is as from `read`; elsewhere
   * `count` is `WOULD_BLOCK`, and an error that it found is thrown by the next `read`.
   */
  onReady(callback: (fd: number, events: number, idleUs: number, count: number) => number, buffer: Uint8Array): void;
  /** @param events `READABLE`, `WRITABLE` and `DISCONNECT`, added, or 0 for no more */
  watch(fd: number, events: number): void;
  close(fd: number): void;
  /** From now on somebody else closes it. */
  release(fd: number): void;
  /** A second descriptor for the same open file, whoever's the first is. */
  duplicate(fd: number): number;
  /** Takes over a descriptor that came from outside: from now on non-blocking, close-on-exec, and ours. */
  adopt(fd: number): number;
  /** Takes the exclusive flock(2) on any open file; `false` when another has it. */
  lock(fd: number): boolean;
  /** poll(2) without waiting. A pidfd is readable when its process is gone. */
  isReadable(fd: number): boolean;
  /** The same: whether the other side is gone altogether; one that only sends no more is not. */
  isHungUp(fd: number): boolean;
  /** getsockopt(2) at the level of the socket, where it is a number. */
  socketOption(fd: number, option: number): number;
  /** The address that it is bound to: a path with its NUL, an abstract name behind one, or nothing. */
  socketName(fd: number): Buffer;
  /** Who connected, or who listened: pid, uid and gid at that time. SO_PEERCRED, unix(7). */
  peerCredentials(fd: number): [pid: number, uid: number, gid: number];
  /** Whether that was a process of this one's effective user. */
  isSameUser(fd: number): boolean;
  /** Their supplementary groups. SO_PEERGROUPS, Linux 4.13. */
  peerGroups(fd: number): number[];
  /** A descriptor of that very process, whatever becomes of its number. SO_PEERPIDFD, Linux 6.5. */
  peerPidfd(fd: number): number;
  /** Two sockets, connected to each other. */
  socketPair(type: number): [number, number];
  /** Memory as a file, memfd_create(2), all of it there and zero. */
  makeMemory(bytes: number): number;
  addSeals(fd: number, seals: number): void;
  /** Fails for what is no memory. */
  seals(fd: number): number;
  /**
   * The first bytes of such a file, in whole pages, shared with whoever else maps them, and private bytes behind them. It stays
   * when the descriptor is closed, until `unmap` or until nobody knows it any more.
   */
  map(fd: number, sharedBytes: number, privateBytes: number): ArrayBuffer;
  /** Views of it have no bytes from then on. It goes when what `view` made of it is gone as well. */
  unmap(memory: ArrayBuffer): void;
  /** Another buffer of the first bytes of what was mapped, which `detach` makes empty by itself. */
  view(memory: ArrayBuffer, bytes: number, kind: ViewKind): ArrayBuffer;
  /** Who has the buffer has no bytes from then on. @param kind as it was made */
  detach(view: ArrayBuffer, kind: ViewKind): void;
  /**
   * From now on, what is looked for of a watched descriptor is not what comes on it, but whether two words of mapped memory
   * differ. Its `onReady` is called with the events of the descriptor, with `LOOK` when they do, or with `OVER` when it has been
   * looked for in vain: then it has to make sure by itself that it is woken, and return 0, or `AT_ONCE`.
   */
  lookAt(fd: number, words: Int32Array, first: number, second: number): void;
  /**
   * How many processors this thread may run on: sched_getaffinity(2). If it is one, who looks as `lookAt` says gives it away after
   * each look, until this is asked again.
   */
  processors(): number;
  /**
   * In a turn of its own: calls `onReady` with `LOOK` for a descriptor with `lookAt`. For any other, it looks for so many
   * microseconds for what comes, and calls `onReady` with that, or with `OVER`.
   */
  lookSoon(fd: number, us: number): void;
}

/**
 * The best that `view` can make. It calls V8 itself for `UNCOUNTED` and `LOCKED`, whose functions are the same within one
 * NODE_MODULE_VERSION: those of Node 20, 22, 24 and 26, on which it was tried.
 */
export function bestView({ canBeUncounted }: Pick<Native, "canBeUncounted">): ViewKind {
  const { release, versions } = process;
  if (!canBeUncounted || release.name !== "node") return COUNTED;
  // There, who moves a locked buffer to another thread (Node 20), or to another buffer (22), ends the process.
  if (["115", "127"].includes(versions.modules)) return UNCOUNTED;
  return ["137", "147"].includes(versions.modules) ? LOCKED : COUNTED;
}

/** Why there is no addon: it was never built, or it is there and does not load. */
export interface NativeMissing {
  readonly reason: "not built" | "failed to load";
  /** What to tell people. */
  readonly text: string;
  readonly cause?: unknown;
}

export type Loaded = { readonly native: Native } | { readonly missing: NativeMissing };

/** Where the package begins, from the file that this is in: bundles are in other places than sources. */
declare const EARSHOT_ROOT: string | undefined;

/** Loads the addon that fits this system: a build of this machine's, or one that came with the package. */
export function loadNative(): Loaded {
  if (process.platform !== "linux") {
    return { missing: { reason: "not built", text: `there is no native addon for ${process.platform}` } };
  }
  const root = fileURLToPath(new URL(typeof EARSHOT_ROOT === "string" ? EARSHOT_ROOT : "../..", import.meta.url));
  const require = createRequire(join(root, "package.json"));
  let path: string;
  try {
    const { resolve } = require("node-gyp-build") as { resolve(root: string): string };
    path = resolve(root);
  } catch (cause) {
    const text = "the native addon is not built for this system; with a C compiler, `npm rebuild earshot` builds it";
    return { missing: { reason: "not built", text, cause } };
  }
  try {
    const native = require(path) as Native;
    if (native.version === ADDON_VERSION) return { native };
    return failed(`${path} was built for another version of earshot`);
  } catch (cause) {
    return failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function failed(fact: string, cause?: unknown): Loaded {
  const text = `the native addon does not load: ${fact}; \`npm rebuild earshot\` builds it anew`;
  return { missing: { reason: "failed to load", text, cause } };
}
