import { EarshotError } from "../errors.js";
import type { Exchange, Request } from "../session/session.js";
import type { Transport } from "../transport/transport.js";
import type { AppInfo, Hello } from "../wire/hello.js";
import type { Channel, ChannelOwner } from "./channel.js";
import { Connection } from "./connection.js";
import type { ConnectionOwner, ConnectionSetup } from "./connection-setup.js";
import { loanOf } from "./connection-slabs.js";
import type { Loan } from "./loan.js";
import { refuse } from "./waiting-room.js";

/** One connection, shared by all messages. */
export class FramedChannel implements Channel, ConnectionOwner {
  readonly #connection: Connection;
  readonly #owner: ChannelOwner;
  /** Who waits for that. */
  readonly #onGreeted: ((error?: EarshotError) => void)[] = [];
  #isGreeted = false;
  #app: AppInfo | undefined;
  /** Why nothing more can be sent. */
  #ended: EarshotError | undefined;

  constructor(transport: Transport, setup: Omit<ConnectionSetup, "owner">, owner: ChannelOwner) {
    this.#owner = owner;
    this.#connection = new Connection(1, transport, { ...setup, owner: this });
  }

  get app(): AppInfo | undefined {
    return this.#app;
  }

  get ended(): EarshotError | undefined {
    return this.#ended;
  }

  /** Resolves when both sides have greeted; rejects when they do not suit or the connection ends before. */
  async greeting(): Promise<void> {
    if (!this.#isGreeted && this.#ended === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#onGreeted.push((error) => (error === undefined ? resolve() : reject(error)));
      });
    }
    // The read that brought it may have brought an end as well, and nobody had this channel yet who could be told.
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** Only both sides' greetings say whether the other one sees it; where that goes without saying, nothing waits. */
  async loan(bytes: number): Promise<Loan> {
    const { lane } = this.#connection;
    if (lane?.slabs !== undefined) await this.greeting().catch(() => {});
    return loanOf(lane, bytes);
  }

  send(request: Request): void {
    request.carrier = this;
    if (this.#ended === undefined) this.#connection.session?.send(request);
    else refuse(request, this.#ended.code, this.#ended.message, "unsent", { cause: this.#ended });
  }

  ping(request: Request): void {
    request.carrier = this;
    if (this.#ended === undefined) this.#connection.session?.ping(request);
    else refuse(request, this.#ended.code, this.#ended.message, "unsent", { cause: this.#ended });
  }

  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void {
    this.#connection.session?.cancel(request, code);
  }

  stop(request: Request): void {
    this.#connection.session?.stop(request);
  }

  close(reason?: EarshotError): void {
    this.#ended ??= reason ?? clientClosed();
    this.#connection.close("CONNECTION_CLOSED", "the client has closed");
  }

  cut(error: EarshotError): void {
    this.#ended ??= error;
    this.#connection.abort(error);
  }

  onGreeting(_connection: Connection, hello: Hello): void {
    this.#app = hello.app;
    this.#isGreeted = true;
    this.#tellGreeted();
  }

  onExchange(_connection: Connection, _exchange: Exchange): void {}

  onCallerGone(): void {}

  onClosing(_connection: Connection, error: EarshotError): void {
    this.#ended ??= error;
    this.#owner.onLeaving(this, this.#ended);
  }

  onClosed(_connection: Connection, error: EarshotError | undefined): void {
    this.#ended ??= error ?? new EarshotError("CONNECTION_LOST", "the other side has closed the connection");
    this.#tellGreeted(this.#ended);
    this.#owner.onEnded(this, this.#ended);
  }

  #tellGreeted(error?: EarshotError): void {
    for (const tell of this.#onGreeted.splice(0)) tell(error);
  }
}

/** Why nothing more can be sent after `close`. Without a stack, which costs about what closing does: few ask. */
export function clientClosed(): EarshotError {
  const { stackTraceLimit } = Error;
  Reflect.set(Error, "stackTraceLimit", 0);
  const error = new EarshotError("CONNECTION_CLOSED", "the client is closed", { op: "close" });
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return error;
}
