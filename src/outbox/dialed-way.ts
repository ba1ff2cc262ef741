import { EarshotError } from "../errors.js";
import type { Client } from "../peer/client.js";
import { type DialOptions, dial } from "../peer/dial.js";
import type { KeptMessage } from "./record.js";
import type { Way } from "./way.js";

/** Over one connection, which is made when there is something to deliver, and made anew when it is lost. */
export class DialedWay implements Way {
  readonly #address: string;
  readonly #options: DialOptions;
  #client: Promise<Client> | undefined;
  #isClosed = false;

  constructor(address: string, options: DialOptions) {
    this.#address = address;
    this.#options = options;
  }

  onBack(_listener: () => void): void {}

  async deliver(message: KeptMessage, timeoutMs: number): Promise<void> {
    const client = await this.#connect();
    const { id, headers } = message;
    await client.send(message.data, { timeoutMs, id, headers });
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const client = await this.#client?.catch(() => undefined);
    await client?.close({ graceMs });
  }

  #connect(): Promise<Client> {
    if (this.#isClosed) throw new EarshotError("CONNECTION_CLOSED", "the outbox was closed", { delivery: "unsent" });
    this.#client ??= this.#dial();
    return this.#client;
  }

  async #dial(): Promise<Client> {
    try {
      const client = await dial(this.#address, this.#options);
      void client.closed.then(() => this.#forget());
      return client;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#client = undefined;
  }
}
