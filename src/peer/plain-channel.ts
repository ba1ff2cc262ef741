import { EarshotError } from "../errors.js";
import type { Exchange, Request } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import type { Channel } from "./channel.js";
import { Connection, type ConnectionOwner, type ConnectionSetup } from "./connection.js";
import { clientClosed } from "./framed-channel.js";

/** One connection for each message. The first is there already: dialing it has shown that there is a server. */
export class PlainChannel implements Channel, ConnectionOwner {
  readonly app = undefined;
  readonly #setup: ConnectionSetup;
  readonly #dial: () => Promise<Transport>;
  readonly #onEnd: (error: EarshotError | undefined) => void;
  readonly #connections = new Map<Request, Connection>();
  readonly #dialing = new Set<Request>();
  #spare: Transport | undefined;
  #ended: EarshotError | undefined;

  constructor(
    first: Transport,
    setup: Omit<ConnectionSetup, "owner">,
    dial: () => Promise<Transport>,
    onEnd: (error: EarshotError | undefined) => void,
  ) {
    this.#spare = first;
    this.#setup = { ...setup, owner: this };
    this.#dial = dial;
    this.#onEnd = onEnd;
  }

  send(request: Request): void {
    if (this.#ended !== undefined) {
      request.onFailure(this.#ended.code, this.#ended.message, "unsent");
      return;
    }
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare === undefined) void this.#dialFor(request);
    else this.#sendOn(spare, request);
  }

  ping(request: Request): void {
    request.onFailure("UNSUPPORTED", "the plain wire has no ping", "unsent");
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    if (this.#dialing.delete(request)) request.onFailure(code, "", "unsent");
    else this.#connections.get(request)?.cancel(request, code);
    this.#endIfDone();
  }

  close(): void {
    this.#ended ??= clientClosed();
    this.#spare?.close();
    this.#endIfDone();
  }

  cut(error: EarshotError): void {
    this.#ended ??= error;
    for (const request of this.#dialing) request.onFailure(error.code, error.message, "unsent");
    this.#dialing.clear();
    for (const connection of [...this.#connections.values()]) connection.abort(error);
    this.close();
  }

  onGreeting(): void {}

  onExchange(_connection: Connection, _exchange: Exchange): void {}

  onCallerGone(): void {}

  onClosing(): void {}

  onClosed(closed: Connection): void {
    for (const [request, connection] of this.#connections) {
      if (connection === closed) this.#connections.delete(request);
    }
    this.#endIfDone();
  }

  async #dialFor(request: Request): Promise<void> {
    this.#dialing.add(request);
    try {
      const transport = await this.#dial();
      if (this.#dialing.delete(request)) this.#sendOn(transport, request);
      else transport.close();
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error;
      if (this.#dialing.delete(request)) request.onFailure(error.code, error.message, "unsent", { cause: error });
      this.#endIfDone();
    }
  }

  #sendOn(transport: Transport, request: Request): void {
    const connection = new Connection(1, transport, this.#setup);
    this.#connections.set(request, connection);
    connection.send(request);
  }

  #endIfDone(): void {
    if (this.#ended === undefined || this.#dialing.size > 0 || this.#connections.size > 0) return;
    this.#onEnd(this.#ended);
  }
}
