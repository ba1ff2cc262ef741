import { EarshotError, failure } from "../errors.js";
import type { Deduplicator, Recorded } from "../peer/deduplication.js";
import { checkChoice } from "../peer/options.js";
import { type Clock, SYSTEM_CLOCK } from "./clock.js";
import { Environment } from "./environment.js";
import { Journal } from "./journal.js";
import { INBOX_LAYOUT, Memory } from "./memory.js";
import { checkPositive, refuse } from "./options.js";

/** How much a server remembers of finished messages, and how safely. All sizes in bytes, all times in milliseconds. */
export interface InboxOptions {
  /**
   * For how long after a message was handled its reply is known, by the wall clock; default 7 days. It should be longer than
   * any sender goes on trying.
   */
  readonly keepMs?: number | undefined;
  /** How many messages are remembered; default 1,000,000. Past it the oldest are forgotten. */
  readonly maxIds?: number | undefined;
  /** How many bytes they take, with their replies; default 256 MiB. Past it the oldest are forgotten. */
  readonly maxBytes?: number | undefined;
  /**
   * When a reply leaves: `"process"` (default): when what is known of it survives the end of this process. `"power"`: when it
   * survives the end of the machine (`fdatasync`).
   */
  readonly durability?: "process" | "power" | undefined;
}

const DEFAULTS = { keepMs: 604_800_000, maxIds: 1_000_000, maxBytes: 268_435_456 } as const;

/**
 * Opens a directory in which a server remembers, also when it is started again, which messages it has handled and what it
 * replied: for `listen`'s option `deduplicate`. Only messages that carry an id are looked up.
 *
 * @param directory is made if it is not there, for this user alone
 * @returns what `listen` takes; whoever opened it closes it, after the server
 * @throws EarshotError as `openOutbox`
 * @example
 * await using seen = await inbox("/var/lib/app/inbox");
 * await using server = await listen("/run/app.sock", handle, { deduplicate: seen });
 */
export function inbox(directory: string, options: InboxOptions = {}): Promise<Inbox> {
  return inboxWith(directory, options, SYSTEM_CLOCK);
}

/** The same, with a clock that tests give. */
export async function inboxWith(directory: string, options: InboxOptions, clock: Pick<Clock, "now">): Promise<Inbox> {
  if (typeof directory !== "string" || directory === "") refuse("directory", directory, "a path");
  const limits = {
    keepMs: checkPositive("keepMs", options.keepMs ?? DEFAULTS.keepMs),
    maxIds: checkPositive("maxIds", options.maxIds ?? DEFAULTS.maxIds),
    maxBytes: checkPositive("maxBytes", options.maxBytes ?? DEFAULTS.maxBytes),
  };
  const needsSync = checkChoice("durability", options.durability, ["process", "power"]) === "power";
  const environment = await Environment.open(directory, INBOX_LAYOUT);
  return new Inbox(environment, new Memory(environment.tables, limits), clock, needsSync);
}

/** What a record takes besides its reply, roughly. */
const OVERHEAD_BYTES = 256;

type Waiter = (known: Recorded | undefined) => void;

/** A server's memory of finished messages, on disk. */
export class Inbox implements Deduplicator {
  readonly #environment: Environment<(typeof INBOX_LAYOUT)["tables"][number]>;
  readonly #memory: Memory;
  readonly #journal: Journal;
  readonly #clock: Pick<Clock, "now">;
  readonly #needsSync: boolean;
  /** Those who wait for each message that is being handled. */
  readonly #begun = new Map<string, Waiter[]>();
  /** For how many the disk had no room; 0: there is room, as far as is known. */
  #missingBytes = 0;
  #closing: Promise<void> | undefined;

  /** @internal use `inbox` */
  constructor(
    environment: Environment<(typeof INBOX_LAYOUT)["tables"][number]>,
    memory: Memory,
    clock: Pick<Clock, "now">,
    needsSync: boolean,
  ) {
    this.#environment = environment;
    this.#memory = memory;
    this.#journal = new Journal(environment, memory);
    this.#clock = clock;
    this.#needsSync = needsSync;
  }

  /** How many messages it remembers. */
  get size(): number {
    this.#assertOpen();
    this.#environment.refresh();
    return this.#memory.ids;
  }

  /** @throws EarshotError `STORE_FULL`: it could not be recorded, and is not to be handled before there is room */
  begin(key: string): Recorded | Promise<Recorded | undefined> | undefined {
    this.#assertOpen();
    const waiters = this.#begun.get(key);
    if (waiters !== undefined) return new Promise((resolve) => waiters.push(resolve));
    const reply = this.#memory.find(key, this.#clock.now());
    if (reply !== undefined) return { reply };
    this.#assertRoom();
    this.#begun.set(key, []);
    return undefined;
  }

  /** @throws EarshotError `STORE_FULL`, ...: then it is to be forgotten, and a repetition is handled anew */
  async finish(key: string, { reply }: Recorded): Promise<void> {
    this.#assertOpen();
    const bytes = Uint8Array.prototype.slice.call(reply);
    if (this.#memory.fits(key, bytes)) await this.#keep(key, bytes);
    const waiters = this.#begun.get(key) ?? [];
    this.#begun.delete(key);
    for (const resolve of waiters) resolve({ reply: bytes });
  }

  forget(key: string): void {
    const next = this.#begun.get(key)?.shift();
    if (next === undefined) this.#begun.delete(key);
    else next(undefined);
  }

  /** Writes what is left to write. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The same. */
  close(): Promise<void> {
    this.#closing ??= this.#journal.idle.then(() => this.#environment.close());
    return this.#closing;
  }

  async #keep(key: string, reply: Uint8Array): Promise<void> {
    const now = this.#clock.now();
    const bytes = reply.length + OVERHEAD_BYTES;
    try {
      await this.#journal.run("receive", bytes, this.#needsSync, () => this.#memory.add(key, reply, now));
    } catch (error) {
      if (error instanceof EarshotError && error.code === "STORE_FULL") this.#missingBytes = bytes;
      throw error;
    }
  }

  /** What is handled while its end cannot be recorded would be handled again and again. */
  #assertRoom(): void {
    if (this.#missingBytes === 0) return;
    this.#environment.assertRoom("receive", this.#missingBytes, this.#memory.bytes);
    this.#missingBytes = 0;
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return;
    throw failure("CONNECTION_CLOSED", "receive", this.#environment.directory, "the inbox was closed");
  }
}
