import { EarshotError } from "../errors.js";
import type { Exchange, Request } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import type { AppInfo, Hello } from "../wire/hello.js";
import type { Channel } from "./channel.js";
import { Connection, type ConnectionOwner, type ConnectionSetup } from "./connection.js";

/** One connection, shared by all messages. */
export class FramedChannel implements Channel, ConnectionOwner {
  /** Resolves when both sides have greeted; rejects when they do not suit or the connection ends before. */
  readonly greeted: Promise<void>;
  readonly #connection: Connection;
  readonly #onEnd: (error: EarshotError | undefined) => void;
  #settleGreeting: { readonly resolve: () => void; readonly reject: (error: EarshotError) => void } | undefined;
  #app: AppInfo | undefined;
  /** Why nothing more can be sent. */
  #ended: EarshotError | undefined;

  constructor(
    transport: Transport,
    setup: Omit<ConnectionSetup, "owner">,
    onEnd: (error: EarshotError | undefined) => void,
  ) {
    this.#onEnd = onEnd;
    this.greeted = new Promise((resolve, reject) => {
      this.#settleGreeting = { resolve, reject };
    });
    this.greeted.catch(() => {});
    this.#connection = new Connection(1, transport, { ...setup, owner: this });
  }

  get app(): AppInfo | undefined {
    return this.#app;
  }

  send(request: Request): void {
    if (this.#ended === undefined) this.#connection.send(request);
    else request.onFailure(this.#ended.code, this.#ended.message, "unsent", { cause: this.#ended });
  }

  ping(request: Request): void {
    if (this.#ended === undefined) this.#connection.ping(request);
    else request.onFailure(this.#ended.code, this.#ended.message, "unsent", { cause: this.#ended });
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    this.#connection.cancel(request, code);
  }

  close(): void {
    this.#ended ??= new EarshotError("CONNECTION_CLOSED", "the client is closed", { op: "close" });
    this.#connection.close("CONNECTION_CLOSED", "the client has closed");
  }

  cut(error: EarshotError): void {
    this.#ended ??= error;
    this.#connection.abort(error);
  }

  onGreeting(_connection: Connection, hello: Hello): void {
    this.#app = hello.app;
    this.#settleGreeting?.resolve();
  }

  onExchange(_connection: Connection, _exchange: Exchange): void {}

  onCallerGone(): void {}

  onClosing(_connection: Connection, error: EarshotError): void {
    this.#ended ??= error;
  }

  onClosed(_connection: Connection, error: EarshotError | undefined): void {
    const lost = error ?? new EarshotError("CONNECTION_LOST", "the other side has closed the connection");
    this.#ended ??= lost;
    this.#settleGreeting?.reject(this.#ended);
    this.#onEnd(this.#ended);
  }
}
