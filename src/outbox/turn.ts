import { lstatSync } from "node:fs";
import { join } from "node:path";
import { EarshotError, failure } from "../errors.js";
import type { Client } from "../peer/client.js";
import { dial } from "../peer/dial.js";
import { listen, type Server } from "../peer/server.js";
import type { Clock } from "./clock.js";

const SOCKET = "turn.sock";
/** How soon to look again when the one who had the turn is gone, and nobody has it yet; at random, so that they part. */
const AGAIN_MS = 20;
const MAX_AGAIN_MS = 1_000;
const TELL_MS = 1_000;

/** Whether it ends is what matters. */
const ONE_CONNECTION = { connectTimeoutMs: 5_000, reconnect: false } as const;

/** What the one whose turn it is does for the others. */
export interface TurnHost {
  /** It is this process's turn from now on, until it is closed, or has lost it. */
  onTurn(): void;
  /** Another process may have the turn, because somebody has removed the socket's file. */
  onLost(error: EarshotError): void;
  /** Another process has posted something. */
  onWake(): void;
  /** Resolves when nothing is pending. */
  onFlush(signal: AbortSignal): Promise<void>;
  /** It cannot be found out whose turn it is. */
  onTrouble(error: EarshotError): void;
}

/** `"idle"`: this process never takes it, and has nothing to tell whoever has it. */
type State =
  | { readonly is: "idle" }
  | { readonly is: "own"; readonly server: Server; readonly file: string | undefined }
  | { readonly is: "others"; readonly client: Client }
  | { readonly is: "seeking"; readonly cancel: () => void }
  | { readonly is: "closed" };

/**
 * Which of the processes that share a directory does the work. The turn is a socket in it: the kernel gives it back
 * when its owner dies, in whatever way, and the others notice at once because their connections to it end.
 */
export class Turn {
  readonly #path: string;
  readonly #directory: string;
  readonly #host: TurnHost;
  readonly #clock: Clock;
  #state: State = { is: "idle" };
  #mayOwn = false;
  #failures = 0;
  #wake: "none" | "sending" | "again" = "none";
  /** What a process that never has the turn still has to tell. */
  #telling: Promise<void> = Promise.resolve();

  constructor(directory: string, host: TurnHost, clock: Clock) {
    this.#directory = directory;
    this.#path = join(directory, SOCKET);
    this.#host = host;
    this.#clock = clock;
  }

  get isOwn(): boolean {
    return this.#state.is === "own";
  }

  /**
   * Resolves when it is known whose turn it is.
   *
   * @param mayOwn false: it is never this process's
   * @throws EarshotError as `listen`
   */
  async start(mayOwn: boolean): Promise<void> {
    this.#mayOwn = mayOwn;
    if (mayOwn) await this.#seek();
  }

  /** Tells the one whose turn it is that something was posted. */
  wake(): void {
    const state = this.#state;
    if (state.is === "own") this.#host.onWake();
    if (state.is === "idle") this.#seekNow();
    if (state.is !== "others") return;
    if (this.#wake !== "none") {
      this.#wake = "again";
      return;
    }
    this.#wake = "sending";
    this.#telling = this.#sendWake(state.client);
  }

  /** Resolves when nothing is pending, says the one whose turn it is; or else some time later. */
  async flush(signal: AbortSignal): Promise<void> {
    const { is } = this.#state;
    if (is === "idle") this.wake();
    if (this.#state.is === "others" && (await this.#askToFlush(this.#state.client, signal))) return;
    await this.#clock.wait(AGAIN_MS);
  }

  /** Looks whether the turn is still this process's: without its file the socket keeps nobody else from claiming it. */
  check(): void {
    const state = this.#state;
    if (state.is !== "own" || (state.file !== undefined && state.file === this.#fileNow())) return;
    this.#seekNow();
    void state.server.close({ graceMs: 0 });
    const fact = `somebody has removed its ${SOCKET}; nothing is lost, and one of its processes goes on`;
    this.#host.onLost(failure("SYSTEM_ERROR", "open", this.#directory, fact));
  }

  /** Which file is there. */
  #fileNow(): string | undefined {
    const facts = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return facts && `${facts.dev} ${facts.ino}`;
  }

  async #askToFlush(client: Client, signal: AbortSignal): Promise<boolean> {
    try {
      await client.send("flush", { signal });
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#tellAll();
    const state = this.#state;
    this.#state = { is: "closed" };
    if (state.is === "own") await state.server.close({ graceMs: 0 });
    if (state.is === "others") await state.client.close({ graceMs: 0 });
    if (state.is === "seeking") state.cancel();
  }

  /** What was posted by a process that ends at once shall be known all the same; but nobody is waited for long. */
  async #tellAll(): Promise<void> {
    if (this.#mayOwn) return;
    let cancel: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(TELL_MS, resolve);
    });
    const told = this.#telling.then(() => this.#telling);
    await Promise.race([told, late]);
    cancel();
  }

  #isClosed(): boolean {
    return this.#state.is === "closed";
  }

  async #seek(): Promise<void> {
    const server = this.#mayOwn ? await this.#claim() : undefined;
    if (server !== undefined) {
      await this.#own(server);
      return;
    }
    const client = await this.#follow();
    if (this.#isClosed()) {
      await client?.close({ graceMs: 0 });
      return;
    }
    if (client === undefined) {
      if (this.#mayOwn) this.#seekLater(AGAIN_MS);
      else this.#state = { is: "idle" };
      return;
    }
    this.#state = { is: "others", client };
    this.#failures = 0;
    void client.closed.then(() => this.#onGone());
    // What was posted before this connection stood is not missed.
    this.wake();
  }

  async #own(server: Server): Promise<void> {
    if (this.#isClosed()) {
      await server.close({ graceMs: 0 });
      return;
    }
    this.#state = { is: "own", server, file: this.#fileNow() };
    this.#failures = 0;
    this.#host.onTurn();
  }

  async #claim(): Promise<Server | undefined> {
    try {
      return await listen(this.#path, async (message, { signal }) => {
        if (message.text() === "flush") await this.#host.onFlush(signal);
        else this.#host.onWake();
      });
    } catch (error) {
      if (error instanceof EarshotError && error.code === "ADDRESS_IN_USE") return undefined;
      throw this.#explain(error);
    }
  }

  async #follow(): Promise<Client | undefined> {
    try {
      return await dial(this.#path, ONE_CONNECTION);
    } catch (error) {
      if (error instanceof EarshotError && ["NO_SERVER", "CONNECTION_LOST"].includes(error.code)) return undefined;
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof EarshotError) || error.code !== "ADDRESS_TOO_LONG") return error;
    const fact = `its path is too long for a socket in it; choose a shorter one (${error.message})`;
    return failure("ADDRESS_TOO_LONG", "open", this.#directory, fact, { cause: error });
  }

  #onGone(): void {
    if (this.#isClosed()) return;
    if (this.#mayOwn) this.#seekNow();
    else this.#state = { is: "idle" };
  }

  #seekLater(ms: number): void {
    const cancel = this.#clock.after(ms * this.#clock.random(), () => this.#seekNow());
    this.#state = { is: "seeking", cancel };
  }

  #seekNow(): void {
    if (this.#isClosed()) return;
    this.#state = { is: "seeking", cancel() {} };
    this.#telling = this.#seek().catch((error: unknown) => {
      if (this.#isClosed()) return;
      if (error instanceof EarshotError) this.#host.onTrouble(error);
      this.#seekLater(Math.min(AGAIN_MS * 2 ** ++this.#failures, MAX_AGAIN_MS));
    });
  }

  async #sendWake(client: Client): Promise<void> {
    // When it does not arrive, its receiver is gone; whoever comes next looks by itself.
    await client.send("wake").catch(() => {});
    const isMore = this.#wake === "again";
    this.#wake = "none";
    if (isMore) this.wake();
  }
}
