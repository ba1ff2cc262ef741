import { EarshotError } from "../errors.js";
import type { Client } from "../peer/client.js";
import { type DialOptions, dial } from "../peer/dial.js";
import type { KeptMessage } from "./record.js";
import type { Way } from "./way.js";

/** Over one connection at a time, which is made when there is something to deliver, and as soon as a lost server is back. */
export class DialedWay implements Way {
  readonly #address: string;
  readonly #options: DialOptions;
  #client: Promise<Client> | undefined;
  #onBack: () => void = () => {};
  #isClosed = false;

  constructor(address: string, options: DialOptions) {
    this.#address = address;
    // A reply of any size says that the handler is done: it is dropped as it comes.
    this.#options = { ...options, connect: "lazy", maxMessageBytes: Number.MAX_SAFE_INTEGER };
  }

  /** Checks the options, and connects to nobody. @throws EarshotError `INVALID_ARGUMENT`, `UNSUPPORTED`, ... */
  async prepare(): Promise<void> {
    await this.#connect();
  }

  onBack(listener: () => void): void {
    this.#onBack = listener;
  }

  async deliver(message: KeptMessage, timeoutMs: number): Promise<void> {
    const client = await this.#connect();
    const { id, headers } = message;
    // It is time for an attempt, whatever the client's own pauses are.
    if (client.state.kind === "waiting") client.reconnect();
    try {
      using reply = await client.send(message.data, { timeoutMs, id, headers, body: "stream" });
      for await (const _ of reply.body);
    } catch (error) {
      client.comeBack();
      throw error;
    }
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
      client.onState(({ kind }) => {
        if (kind === "open") this.#onBack();
        if (kind === "closed") this.#client = undefined;
      });
      return client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }
}
