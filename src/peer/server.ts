import { parseAddress } from "../address.js";
import { EarshotError, failure } from "../errors.js";
import { chooseSockets, type Sockets } from "../transport/kind.js";
import type { ListenOptions as SocketOptions } from "../transport/listen-options.js";
import { type ListenTarget, resolveListenTarget } from "../transport/resolve.js";
import type { Listener, Transport } from "../transport/transport.js";
import { Acceptor } from "./acceptor.js";
import { type Allow, checkAllow, sameUser } from "./allow.js";
import { inherit } from "./hand-over.js";
import type { Handler, StreamHandler } from "./handler.js";
import type { ListenOptions, StreamListenOptions } from "./listen-options.js";
import { findNotifier, type Notifier } from "./notify.js";
import {
  type CloseOptions,
  checkChoice,
  checkGrace,
  checkSignal,
  checkSpin,
  LISTEN_DEFAULTS,
  withDefaults,
} from "./options.js";

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
