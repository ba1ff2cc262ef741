import type { OverloadOptions } from "./admission.js";
import type { Allow } from "./allow.js";
import type { BroadcastOptions } from "./broadcast-options.js";
import type { DeduplicateOptions, Deduplicator } from "./deduplication.js";
import type { ServedContract } from "./direct-handling.js";
import type { App, Logger, Spin } from "./options.js";
import type { SharedOptions } from "./shared-options.js";

/** All sizes in bytes, all times in milliseconds, 0 ms for no limit. */
export interface ListenOptions {
  /** Which wires to take: many messages on a connection, one, or whichever the caller speaks (default). */
  readonly wire?: "auto" | "plain" | "framed" | undefined;
  /** Who may connect, as the permissions of the socket file; default 0o600, only this user. Not for `systemd:`. */
  readonly mode?: number | undefined;
  /** The largest message that is taken; default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Default 16,384; the next caller is told `OVERLOADED`. */
  readonly maxConnections?: number | undefined;
  /** How many messages of one connection are handled at a time; default 1,024. The next ones wait. */
  readonly maxInFlight?: number | undefined;
  /** How many descriptors one message may bring; default 16, at most 253. */
  readonly maxDescriptors?: number | undefined;
  /**
   * How many bytes of unfinished messages and unread replies all connections may hold together; default 256 MiB.
   * 64 KiB for each connection come on top, so that small messages always pass, and one message at most.
   */
  readonly maxBufferedBytes?: number | undefined;
  /** For a new connection to say something; default 30 s. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** For an unfinished message to bring another 64 KiB or its end, and for a caller to read on; default 60 s. */
  readonly messageTimeoutMs?: number | undefined;
  /** For a connection on which nothing happens; default none. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Leave when nobody has been connected for so long; default 0, never. Who calls at that instant is not lost: see the guide,
   * "Daemons". A connection counts also when nothing happens on it: `idleTimeoutMs` ends those. `closed` resolves, and the
   * program ends when it has nothing else to do.
   */
  readonly idleExitMs?: number | undefined;
  /**
   * `"message"` (default): the bytes of a message are its own for ever. `"borrowed"`: those of large ones, of 128 KiB or
   * more on the framed wire, are only lent until the handler settles. Then their memory is used for other messages, which
   * is faster: views of it become empty, reading the message throws, and `message.copy()` made before keeps
   * the bytes. Nothing may be at work on them any more, such as a write to a file that was not awaited: it would find
   * other bytes. A reply may be part of them. Loans are read where their sender has written them; decode text with
   * `message.text()`, or a copy. Messages as they come: see `StreamListenOptions`.
   */
  readonly body?: "message" | "borrowed" | undefined;
  /** How many connections the kernel may keep for `accept`; default 4,096. */
  readonly backlog?: number | undefined;
  /**
   * Who may connect, of those whom the mode lets through; default `sameUser()`: this user and root. Others are told
   * `PEER_REFUSED`. Needs the native addon: without it `listen` fails when this is given, and else the mode alone decides.
   */
  readonly allow?: Allow | undefined;
  /**
   * `"native"`: the addon, which alone knows who calls, carries descriptors, and is faster; `"net"`: `node:net`. Default
   * `"auto"`: the addon where it loads.
   */
  readonly transport?: "auto" | "native" | "net" | undefined;
  /** Whether to stay awake for a moment while a conversation goes on; default `"auto"`. Needs the native addon. */
  readonly spin?: Spin | undefined;
  /**
   * How bytes travel. `"auto"` (default): a connection with much to do, of 64 reads or a mebibyte within a second, goes through
   * shared memory, and gives it back after 5 s without a message; where either side cannot, or is another user's, all goes over
   * its socket. `"shared"`: from the first message on, wherever possible. `"socket"`: never.
   */
  readonly lane?: "auto" | "socket" | "shared" | undefined;
  /** How much memory connections may share. */
  readonly shared?: SharedOptions | undefined;
  /**
   * Whether to tell the service manager, where `NOTIFY_SOCKET` is set, that the service is ready when this server listens,
   * and that it stops when the last server of the process begins to close; between, its watchdog gets signs of life.
   * sd_notify(3); needs the native addon. Default true.
   */
  readonly notify?: boolean | undefined;
  /** What to do when the handlers cannot keep up; default nothing: the messages of each connection wait for `maxInFlight`. */
  readonly overload?: OverloadOptions | undefined;
  /** Who may subscribe to what is published, and how much may wait for whom is slow. */
  readonly broadcast?: BroadcastOptions | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
  /**
   * This side's name and version, and which callers it works with; default none. Callers on the plain wire cannot tell theirs,
   * and are let in.
   */
  readonly app?: App | undefined;
  /** @internal */
  readonly contract?: ServedContract | undefined;
  /**
   * Take over from the server that is there, if there is one: a new version goes on with its socket, no caller is refused,
   * and the old one finishes what it has and leaves (its `closed` resolves). Default `false`: `ADDRESS_IN_USE`. Needs
   * the native addon on both sides.
   */
  readonly takeOver?: boolean | undefined;
  /** Whether another process of the same user may take over from this one, or ask it to leave; default `true`. */
  readonly handOver?: boolean | undefined;
  /**
   * How to know messages that come again: those that their sender gave an id. One that was handled is answered with the reply
   * that it got then, and one that is being handled is not handled a second time. Default: in memory, 10,000 ids with
   * 16 MiB of replies for 10 minutes; other limits; a memory of your own, which its maker closes; or `false`: each is handled
   * as it comes. Replies that are streams or bring open files are not remembered. Framed wire only.
   */
  readonly deduplicate?: Deduplicator | DeduplicateOptions | false | undefined;
  /** Closes the server, with the default grace, when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** For handlers that get messages as they come. */
export interface StreamListenOptions extends Omit<ListenOptions, "body"> {
  /**
   * The handler is called when the first bytes of a message have come. It may have any size: `maxMessageBytes` and
   * `messageTimeoutMs` do not apply, and who sends is held back to what the handler reads.
   */
  readonly body: "stream";
}
