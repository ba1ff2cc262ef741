import { EarshotError, factOf } from "../errors.js";
import type { Exchange, Request } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import type { Channel, ChannelOwner } from "./channel.js";
import { Connection } from "./connection.js";
import type { ConnectionOwner, ConnectionSetup } from "./connection-setup.js";
import { clientClosed } from "./framed-channel.js";
import { Loan } from "./loan.js";
import { MAX_TIMEOUT_MS } from "./time.js";
import { refuse } from "./waiting-room.js";

/** One connection for each message. The first is there already: dialing it has shown that there is a server. */
export class PlainChannel implements Channel, ConnectionOwner {
  readonly app = undefined;
  readonly #setup: ConnectionSetup;
  readonly #dial: (signal: AbortSignal) => Promise<Transport>;
  readonly #owner: ChannelOwner;
  readonly #connections = new Map<Request, Connection>();
  readonly #dialing = new Map<Request, AbortController>();
  /** The first, until a message takes it or the server has waited long enough for one. */
  #spare: Connection | undefined;
  #ended: EarshotError | undefined;
  #isOver = false;

  constructor(
    first: Transport,
    setup: Omit<ConnectionSetup, "owner">,
    dial: (signal: AbortSignal) => Promise<Transport>,
    owner: ChannelOwner,
  ) {
    this.#setup = { ...setup, owner: this };
    this.#dial = dial;
    this.#owner = owner;
    this.#spare = new Connection(1, first, this.#setup);
  }

  get ended(): EarshotError | undefined {
    return this.#ended;
  }

  async loan(bytes: number): Promise<Loan> {
    return new Loan(bytes, undefined);
  }

  send(request: Request): void {
    request.carrier = this;
    if (request.isSystem) {
      request.onFailure("UNSUPPORTED", "the plain wire has messages and replies, and nothing else", "unsent");
      return;
    }
    if (request.metaBytes !== undefined) {
      refuse(request, "UNSUPPORTED", "the plain wire has no ids and no headers", "unsent");
      return;
    }
    if (this.#ended !== undefined) {
      refuse(request, this.#ended.code, this.#ended.message, "unsent", { cause: this.#ended });
      return;
    }
    let spare = this.#spare;
    this.#spare = undefined;
    // The server has had enough of waiting for a message.
    if (spare?.transport.isPeerGone) {
      spare.abort(undefined);
      spare = undefined;
    }
    if (spare === undefined) void this.#dialFor(request);
    else this.#sendOn(spare, request);
  }

  ping(request: Request): void {
    refuse(request, "UNSUPPORTED", "the plain wire has no ping", "unsent");
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    const dialing = this.#dialing.get(request);
    if (dialing === undefined) this.#connections.get(request)?.session?.cancel(request, code);
    else {
      this.#dialing.delete(request);
      dialing.abort();
      refuse(request, code, "", "unsent");
    }
    this.#endIfDone();
  }

  stop(request: Request): void {
    this.cancel(request, "CANCELLED");
  }

  close(reason?: EarshotError): void {
    this.#ended ??= reason ?? clientClosed();
    this.#spare?.abort(undefined);
    this.#endIfDone();
  }

  cut(error: EarshotError): void {
    this.#ended ??= error;
    for (const [request, dialing] of this.#dialing) {
      this.#dialing.delete(request);
      dialing.abort();
      refuse(request, error.code, error.message, "unsent");
    }
    for (const connection of [...this.#connections.values()]) connection.abort(error);
    this.close();
  }

  onGreeting(): void {}

  onExchange(_connection: Connection, _exchange: Exchange): void {}

  onCallerGone(): void {}

  onClosing(closing: Connection): void {
    if (closing === this.#spare) this.#spare = undefined;
  }

  onClosed(closed: Connection): void {
    this.onClosing(closed);
    for (const [request, connection] of this.#connections) {
      if (connection === closed) this.#connections.delete(request);
    }
    this.#endIfDone();
  }

  async #dialFor(request: Request): Promise<void> {
    const controller = new AbortController();
    this.#dialing.set(request, controller);
    const leftMs = request.deadlineAt - performance.now();
    const timer =
      leftMs > MAX_TIMEOUT_MS ? undefined : setTimeout(() => this.cancel(request, "TIMEOUT"), Math.max(0, leftMs));
    try {
      const transport = await this.#dial(controller.signal);
      if (this.#dialing.delete(request)) this.#sendOn(new Connection(1, transport, this.#setup), request);
      else transport.close();
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error;
      if (this.#dialing.delete(request)) {
        refuse(request, error.code, factOf(error), "unsent", { cause: error });
        // Whoever has this channel may know another way to come to the next.
        this.#owner.onLeaving(this, error);
      }
      this.#endIfDone();
    } finally {
      clearTimeout(timer);
    }
  }

  #sendOn(connection: Connection, request: Request): void {
    this.#connections.set(request, connection);
    connection.session?.send(request);
  }

  #endIfDone(): void {
    const isBusy = this.#spare !== undefined || this.#dialing.size > 0 || this.#connections.size > 0;
    if (this.#ended === undefined || isBusy || this.#isOver) return;
    this.#isOver = true;
    this.#owner.onEnded(this, this.#ended);
  }
}
