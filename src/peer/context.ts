import type { EarshotError } from "../errors.js";
import type { Credentials } from "../transport/credentials.js";
import type { Connection } from "./connection.js";

/** Who sent a message. */
export interface Peer {
  /** Different for each connection of this server. */
  readonly id: number;
  /** The address that it dialed. */
  readonly address: string;
  /** As the kernel tells; `undefined` without the native addon. Asked anew each time, while the connection lasts. */
  readonly credentials: Credentials | undefined;
}

/** What a handler knows besides the message. */
export class Context {
  readonly #connection: Connection;
  readonly #address: string;
  #controller: AbortController | undefined;
  #goneBecause: EarshotError | undefined;

  /** @internal */
  constructor(connection: Connection, address: string) {
    this.#connection = connection;
    this.#address = address;
  }

  get peer(): Peer {
    const { id, transport } = this.#connection;
    return { id, address: this.#address, credentials: transport.credentials };
  }

  /** The wire that the message came on. */
  get wire(): "framed" | "plain" {
    return this.#connection.wire ?? "plain";
  }

  /**
   * Aborts when nobody waits for the answer any more: the caller is gone, gave up, or the server closed for good. On the
   * plain wire a caller that goes away after its message cannot be told from one that waits.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#goneBecause !== undefined) this.#controller.abort(this.#goneBecause);
    }
    return this.#controller.signal;
  }

  /** @internal */
  static abort(context: Context, error: EarshotError): void {
    context.#goneBecause = error;
    context.#controller?.abort(error);
  }
}
