import { EarshotError, factOf } from "../errors.js";
import type { Request } from "../session/session.js";
import type { AppInfo } from "../wire/hello.js";
import { abortWith } from "./abort.js";
import type { Channel, ChannelOwner } from "./channel.js";
import type { ClientState } from "./client-state.js";
import { clientClosed } from "./framed-channel.js";
import { causeOf, type Life, type LineParts, openChannel, stateOf } from "./life.js";
import { Listeners } from "./listeners.js";
import { isPermanent } from "./permanent.js";
import { RECONNECT_DEFAULTS, Redial } from "./redial.js";
import { refuse, type Waiting, WaitingRoom } from "./waiting-room.js";

/** A client's way to its server, which outlives connections: one at a time, made again when it is needed. */
export class Line implements ChannelOwner {
  /** Resolves when it is closed, with the reason. */
  readonly closed: Promise<EarshotError>;
  readonly #parts: LineParts;
  readonly #room: WaitingRoom;
  #life: Life = { kind: "idle", cause: undefined };
  /** Connections that take nothing new and finish what they have. */
  readonly #leaving = new Set<Channel>();
  /** When it connects again. */
  readonly redial: Redial;
  /** Why nothing new is taken. */
  #closing: EarshotError | undefined;
  #isCut = false;
  /** Somebody wants to know when the server is back. */
  #isAwaited = false;
  #app: AppInfo | undefined;
  readonly #listeners = new Listeners<ClientState>();
  #onClosed: (cause: EarshotError) => void = () => {};

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.#room = new WaitingRoom(parts.waiting, parts.time, () => this.#lookAround());
    this.redial = new Redial(parts, parts.reconnecting ?? RECONNECT_DEFAULTS, () => void this.#attempt());
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
  }

  /** Whether the first connection is the only one. */
  get isSingle(): boolean {
    return this.#parts.reconnecting === undefined;
  }

  get state(): ClientState {
    return stateOf(this.#life, this.redial.failures + 1);
  }

  /** Returns how to stop listening. */
  listen(listener: (state: ClientState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** The connection, if one stands that takes messages. */
  get channel(): Channel | undefined {
    return this.#life.kind === "open" ? this.#life.channel : undefined;
  }

  /** The other side's application, as it was known last. */
  get app(): AppInfo | undefined {
    return this.channel?.app ?? this.#app;
  }

  /** Makes the first connection. @throws EarshotError why there is none; then the line is closed */
  async dial(signal: AbortSignal | undefined): Promise<void> {
    const controller = new AbortController();
    const unlisten = abortWith(controller, signal);
    const error = await this.#attempt(controller);
    unlisten();
    if (error === undefined) return;
    this.cut(error);
    throw error;
  }

  /** Sends it now, or with the attempt to connect that is under way; while another is only planned, it fails. */
  send(request: Request): void {
    const life = this.#life;
    if (life.kind === "open") life.channel.send(request);
    else this.#wait(request, false, (channel) => channel.send(request));
  }

  ping(request: Request): void {
    if (this.#life.kind === "open") this.#life.channel.ping(request);
    else this.#wait(request, false, (channel) => channel.ping(request));
  }

  /** Sends it now or with the next connection, whenever that is. @param onHanded called when it is on its way */
  persist(request: Request, onHanded?: () => void): void {
    const hand = (channel: Channel) => {
      channel.send(request);
      onHanded?.();
    };
    if (this.#life.kind === "open") hand(this.#life.channel);
    else this.#wait(request, true, hand);
  }

  /** One that was sent and failed goes again: with the next connection, but not before a time. */
  repeat(request: Request, delayMs: number): void {
    const notBefore = this.#parts.time.now() + delayMs;
    this.#hold({ request, persists: true, notBefore, hand: (channel) => channel.send(request) });
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    if (this.#room.take(request)) {
      refuse(request, code, "", "unsent");
      this.#relax();
    } else request.carrier?.cancel(request, code);
  }

  stop(request: Request): void {
    if (this.#room.has(request)) request.isUnwanted = true;
    else request.carrier?.stop(request);
  }

  /** Tries now, and counts failures anew. */
  reconnect(): void {
    this.redial.failures = 0;
    const { kind } = this.#life;
    if (this.#closing === undefined && (kind === "idle" || kind === "waiting")) void this.#attempt();
  }

  /** Comes back also with nothing to send: as soon as the server is there, until there is a connection. */
  comeBack(): void {
    const life = this.#life;
    this.#isAwaited = !this.isSingle && this.#closing === undefined && life.kind !== "open";
    const cause = this.#isAwaited && life.kind === "idle" && this.#room.isEmpty ? life.cause : undefined;
    if (cause !== undefined && !isPermanent(cause)) this.#plan(cause, undefined);
  }

  /** Takes nothing new, and ends when all is settled. */
  close(): void {
    this.#closing ??= clientClosed();
    const life = this.#life;
    if (life.kind === "open") {
      this.#leaving.add(life.channel);
      this.#enter({ kind: "idle", cause: undefined });
      life.channel.close(this.#closing);
    }
    this.#relax();
  }

  /** Ends now. */
  cut(error: EarshotError): void {
    this.#closing ??= error;
    this.#isCut = true;
    const life = this.#life;
    if (life.kind === "connecting") life.controller.abort(error);
    if (life.kind === "open") this.#leaving.add(life.channel);
    if (life.kind !== "closed") this.#enter({ kind: "idle", cause: error });
    this.#room.fail(error, true);
    for (const channel of [...this.#leaving]) channel.cut(error);
    this.#endIfDone();
  }

  onLeaving(channel: Channel, error: EarshotError): void {
    const life = this.#life;
    // The only connection that there is says by itself why it takes nothing.
    if (life.kind !== "open" || life.channel !== channel || this.isSingle) return;
    this.#leaving.add(channel);
    this.#lost(error, life.since);
    channel.close();
  }

  onEnded(channel: Channel, error: EarshotError): void {
    this.#leaving.delete(channel);
    const life = this.#life;
    if (life.kind === "open" && life.channel === channel) this.#lost(error, life.since);
    this.#endIfDone();
  }

  /** A new one, for which there is no connection now. */
  #wait(request: Request, persists: boolean, hand: (channel: Channel) => void): void {
    const life = this.#life;
    const known = this.#closing ?? (life.kind === "waiting" && !persists ? life.cause : undefined);
    if (known === undefined) this.#hold({ request, persists, notBefore: 0, hand });
    else refuse(request, known.code, factOf(known), "unsent", { cause: known });
  }

  #hold(waiting: Waiting): void {
    const life = this.#life;
    const { request } = waiting;
    const over = this.#isCut || life.kind === "closed" ? this.#closing : undefined;
    const noPlace = over === undefined ? this.#room.add(waiting) : undefined;
    if (over !== undefined) refuse(request, over.code, factOf(over), "unsent", { cause: over });
    else if (noPlace !== undefined) refuse(request, "OVERLOADED", noPlace, "unsent");
    else if (life.kind === "waiting") this.redial.keepAlive(true);
    // Not now: what has just failed on a connection may be the first sign that it is gone.
    else this.#room.lookSoon();
  }

  /** Whether there is a reason to have a connection. */
  #isNeeded(): boolean {
    if (!this.#room.isEmpty) return true;
    return this.#closing === undefined && (this.#isAwaited || this.#parts.reconnecting?.whenIdle === true);
  }

  /** Somebody waits, or somebody's time has come. */
  #lookAround(): void {
    const life = this.#life;
    this.#room.expire(causeOf(life));
    if (life.kind === "open") this.#room.hand(life.channel);
    else if (life.kind === "idle" && !this.#room.isEmpty) void this.#attempt();
    this.#relax();
  }

  /** Fewer wait than before: without a reason nothing more is tried. */
  #relax(): void {
    const life = this.#life;
    if (life.kind === "waiting" && !this.#isNeeded()) this.#enter({ kind: "idle", cause: life.cause });
    this.redial.keepAlive(!this.#room.isEmpty);
    if (life.kind === "connecting" && this.#closing !== undefined && !this.#isNeeded()) life.controller.abort();
    this.#endIfDone();
  }

  /** @returns why it failed */
  async #attempt(controller = new AbortController()): Promise<EarshotError | undefined> {
    const cause = causeOf(this.#life);
    const life: Life = { kind: "connecting", controller, cause };
    this.redial.begin();
    this.#enter(life);
    let channel: Channel | undefined;
    let error: EarshotError | undefined;
    try {
      channel = await openChannel(this.#parts, this, controller.signal);
    } catch (reason) {
      if (!(reason instanceof EarshotError)) throw reason;
      error = reason;
    }
    if (this.#life === life) this.#attempted(channel, error, controller.signal.aborted);
    else if (channel !== undefined) {
      // Nobody wants it any more.
      this.#leaving.add(channel);
      channel.close();
    }
    return error;
  }

  #attempted(channel: Channel | undefined, error: EarshotError | undefined, isGivenUp: boolean): void {
    if (channel === undefined && isGivenUp && this.#closing !== undefined) {
      // Nobody needed it then. Who has come since gets an attempt of his own.
      this.#enter({ kind: "idle", cause: causeOf(this.#life) });
      this.#lookAround();
    } else if (channel !== undefined) {
      this.#isAwaited = false;
      this.#enter({ kind: "open", channel, since: this.#parts.time.now() });
      this.#room.hand(channel);
      if (this.#closing !== undefined) this.close();
    } else if (error !== undefined) this.#failed(error);
  }

  #lost(cause: EarshotError, since: number): void {
    if (this.isSingle) {
      this.#closing ??= cause;
      this.#isCut = true;
      this.#room.fail(cause, true);
      this.#enter({ kind: "idle", cause });
      return;
    }
    this.redial.lost(since);
    this.#failed(cause, since);
  }

  /** There is no connection, and why. @param since when the one was made that is lost */
  #failed(cause: EarshotError, since?: number): void {
    const isHopeless = this.isSingle || isPermanent(cause);
    this.#room.fail(cause, isHopeless);
    if (isHopeless || !this.#isNeeded()) this.#enter({ kind: "idle", cause });
    else this.#plan(cause, since);
    this.#endIfDone();
  }

  #plan(cause: EarshotError, since: number | undefined): void {
    this.redial.keepAlive(!this.#room.isEmpty);
    const retryAt = this.redial.plan(cause, since);
    if (retryAt !== undefined) this.#enter({ kind: "waiting", retryAt, cause });
    else {
      this.#enter({ kind: "idle", cause });
      void this.#attempt();
    }
  }

  #enter(life: Life): void {
    if (this.#life.kind === "open") this.#app = this.#life.channel.app ?? this.#app;
    this.#life = life;
    if (life.kind !== "waiting" && life.kind !== "connecting") this.redial.stop();
    this.#listeners.tell(this.state);
  }

  #endIfDone(): void {
    const { kind } = this.#life;
    if (this.#closing === undefined || kind === "closed" || kind === "open" || kind === "connecting") return;
    if (!this.#room.isEmpty || this.#leaving.size > 0) return;
    this.#enter({ kind: "closed", cause: this.#closing });
    this.#onClosed(this.#closing);
  }
}
