import { parseAddress } from "../address.js";
import { EarshotError, failure } from "../errors.js";
import type { Descriptor, Message } from "../message.js";
import { chooseSockets, type Sockets } from "../transport/kind.js";
import type { ListenOptions as SocketOptions } from "../transport/listen-options.js";
import { type ListenTarget, resolveListenTarget } from "../transport/resolve.js";
import type { Listener, Transport } from "../transport/transport.js";
import { Acceptor } from "./acceptor.js";
import type { OverloadOptions } from "./admission.js";
import { type Allow, checkAllow, sameUser } from "./allow.js";
import type { BroadcastOptions } from "./broadcast-options.js";
import type { Chunks } from "./chunks.js";
import type { Context } from "./context.js";
import type { DeduplicateOptions, Deduplicator } from "./deduplication.js";
import type { ServedContract } from "./direct-handling.js";
import { inherit } from "./hand-over.js";
import { findNotifier, type Notifier } from "./notify.js";
import {
  type App,
  type CloseOptions,
  checkChoice,
  checkGrace,
  checkSignal,
  checkSpin,
  LISTEN_DEFAULTS,
  type Logger,
  type Spin,
  withDefaults,
} from "./options.js";
import type { SharedOptions } from "./shared-options.js";
import type { StreamedMessage } from "./streamed-message.js";

/** A reply with open files. */
export interface FullReply {
  /** The reply itself; `""` for an empty one. */
  readonly data: string | Uint8Array | Chunks;
  /** Numbers, or what came with a message. They are duplicated when the handler settles, and stay the handler's. */
  readonly descriptors?: readonly (number | Descriptor)[] | undefined;
}

/**
 * A reply; nothing at all is an empty one. Bytes must stay unchanged until they are out. An async iterable (so also what an
 * `async function*` returns) or a web stream is sent bit by bit, as fast as the caller takes it; its end is the
 * acknowledgement.
 */
export type Reply = string | Uint8Array | Chunks | FullReply | undefined;

/**
 * Called once for each message, many at a time. Returning is the acknowledgement, and what it returns is the reply;
 * throwing makes the caller's `send` reject with `HANDLER_FAILED` and the error's message and `code`, never its stack.
 */
export type Handler = (message: Message, context: Context) => Reply | undefined | Promise<Reply | undefined>;

/** The same for `body: "stream"`: called when the first bytes of a message have come. */
export type StreamHandler = (
  message: StreamedMessage,
  context: Context,
) => Reply | undefined | Promise<Reply | undefined>;

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
   * other bytes. A reply may be part of them. Messages as they come: see `StreamListenOptions`.
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
   * shared memory, which is faster, and gives it back after 5 s without a message; where either side cannot, or is another
   * user's, all goes over its socket. `"shared"`: from the first message on, wherever possible. `"socket"`: never.
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

/** A server at one address. Whoever made it closes it. */
export class Server implements AsyncDisposable {
  /** Where it listens, as `unix:/path` or `unix:@name`. */
  readonly address: string;
  /** Resolves when it is closed, whoever closed it; never rejects. */
  readonly closed: Promise<void>;
  readonly #acceptor: Acceptor;

  /** @internal use `listen` */
  constructor(acceptor: Acceptor, listener: Listener, notifier: Notifier | undefined) {
    this.#acceptor = acceptor;
    acceptor.attach(listener, notifier);
    this.address = listener.address;
    this.closed = acceptor.closed;
  }

  /** How many connections it has now. */
  get connectionCount(): number {
    return this.#acceptor.connectionCount;
  }

  /** How many subscriptions it has now, or how many get the messages of a topic. @throws EarshotError `INVALID_ARGUMENT` */
  subscriptionCount(topic?: string): number {
    return this.#acceptor.broadcaster.count(topic);
  }

  /**
   * Sends a message to all who have subscribed to its topic now; who subscribes later gets it only if it is kept
   * (`broadcast.replayMessages`). Nothing but the subscribers who want to be waited for (`slow: "wait"`) holds back who
   * publishes: it resolves when they have taken the message, or are gone, and at once where there are none. The data is
   * copied. After `close` nobody gets anything.
   *
   * @param topic tokens with dots between them, such as `jobs.17.done`, of at most 255 bytes
   * @throws EarshotError `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE` (over `maxMessageBytes`)
   * @example
   * await server.publish("jobs.17.done", JSON.stringify({ seconds: 3 }));
   */
  publish(topic: string, data: string | Uint8Array): Promise<void> {
    return this.#acceptor.broadcaster.publish(topic, data);
  }

  /**
   * Stops accepting and removes the socket file (unless it is the service manager's), lets handlers finish and their
   * replies leave, then ends. When the grace is over, or with a second call, what is left is cut: its handlers' signals
   * abort, its callers get an error.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#acceptor.close(checkGrace(options));
  }

  /** `close` with the default grace, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Takes an address and handles every message that is sent to it.
 *
 * @param address `/run/app.sock`, `unix:/run/app.sock`, `unix:@name` (Linux abstract), or a bare name such as `chat` for
 * a socket in the user's runtime directory. A file left by a server that is gone is replaced; a live server never is.
 * `systemd:`, or `systemd:NAME` where there are several, is the socket that the service manager has opened.
 * @throws EarshotError `ADDRESS_IN_USE`, `NOT_A_SOCKET`, `UNSAFE_DIRECTORY`, `ADDRESS_TOO_LONG`, `PERMISSION_DENIED`, ...
 * @example
 * const server = await listen("/run/user/1000/app.sock", (message) => `you said ${message.text()}`);
 */
export function listen(address: string, handler: Handler, options?: ListenOptions): Promise<Server>;
/** The same; the handler gets each message as a stream, when its first bytes have come. */
export function listen(address: string, handler: StreamHandler, options: StreamListenOptions): Promise<Server>;
export async function listen(
  address: string,
  handler: Handler | StreamHandler,
  options: ListenOptions | StreamListenOptions = {},
): Promise<Server> {
  if (typeof handler !== "function") {
    throw new EarshotError("INVALID_ARGUMENT", "Cannot listen without a handler: the second argument is a function");
  }
  const numbers = withDefaults({ ...options }, LISTEN_DEFAULTS);
  const signal = checkSignal(options.signal);
  const target = resolveListenTarget(parseAddress(address));
  const sockets = chooseSockets(checkChoice("transport", options.transport, ["auto", "native", "net"]));
  if (signal?.aborted)
    throw failure("CANCELLED", "listen", target.text, "its signal was aborted", { cause: signal.reason });
  const allow = chooseAllow(sockets, options, target.text);
  const acceptor = new Acceptor(target.text, handler, allow, sockets, options, numbers);
  if (allow === undefined && sockets.missing !== undefined) {
    acceptor.logger.warn({}, `who calls is not known, and the socket file's mode alone decides: ${sockets.missing}`);
  }
  const listenOptions = {
    mode: numbers.mode,
    backlog: numbers.backlog,
    spinUs: checkSpin(options.spin),
    onTransport: (transport: Transport) => acceptor.accept(transport),
    onError: (error: EarshotError) => acceptor.logger.error({ error }, "the listening socket failed"),
  };
  const listener =
    (options.takeOver === true ? await takeOver(sockets, target, options, listenOptions) : undefined) ??
    (await sockets.listen(target, listenOptions));
  const notifier = options.notify === false ? undefined : findNotifier(acceptor.logger);
  const server = new Server(acceptor, listener, notifier);
  if (signal?.aborted) await server.close();
  else notifier?.ready();
  const onAbort = () => void server.close();
  signal?.addEventListener("abort", onAbort, { once: true });
  void server.closed.then(() => signal?.removeEventListener("abort", onAbort));
  acceptor.logger.info({ address: server.address }, "listening");
  return server;
}

/** @throws EarshotError `UNSUPPORTED`: if nobody can tell who calls, nobody gets in */
function chooseAllow(sockets: Sockets, { allow }: Pick<ListenOptions, "allow">, address: string): Allow | undefined {
  const isKnown = sockets.kind === "native";
  if (checkAllow(allow) === undefined) return isKnown ? sameUser() : undefined;
  if (isKnown) return allow;
  const reason = sockets.missing ?? 'transport "net" cannot tell';
  throw failure("UNSUPPORTED", "listen", address, `allow needs to know who calls: ${reason}`);
}

/** @returns `undefined` if there is nobody to take over from @throws EarshotError `ADDRESS_IN_USE`, `UNSUPPORTED` */
async function takeOver(
  sockets: Sockets,
  target: ListenTarget,
  { app }: Pick<ListenOptions, "app">,
  options: SocketOptions,
): Promise<Listener | undefined> {
  if (target.kind === "activation") {
    const fact = "takeOver is of no use here: the service manager gives its socket to each process that it starts";
    throw failure("INVALID_ARGUMENT", "listen", target.text, fact);
  }
  if (sockets.inherit === undefined) {
    throw failure(
      "UNSUPPORTED",
      "listen",
      target.text,
      `takeOver needs the native addon${sockets.missing ? `: ${sockets.missing}` : ""}`,
    );
  }
  const inheritance = await inherit(target.text, app);
  if (inheritance === undefined) return undefined;
  try {
    const listener = await sockets.inherit(target, inheritance.estate, options);
    await inheritance.confirm();
    return listener;
  } catch (error) {
    await inheritance.abandon();
    throw error;
  }
}
