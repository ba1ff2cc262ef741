import { EarshotError } from "../errors.js";
import type { Environment } from "./environment.js";
import type { Reason } from "./failure.js";
import type { Journal } from "./journal.js";
import { decodeHead, decodeRecord, type KeptMessage } from "./record.js";
import type { Store } from "./store.js";

/** A message that an outbox holds. */
export interface OutboxMessage {
  /** What it is known by. */
  readonly id: string;
  /** Those of the same key are delivered one after the other; `undefined`: it has none. */
  readonly key: string | undefined;
  /** What goes along with it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its bytes. */
  readonly data: Uint8Array;
  /** When it was posted, by the wall clock. */
  readonly postedAt: Date;
  /** Until when it is held back. */
  readonly dueAt: Date | undefined;
  /** When it is a dead letter if it is not delivered; `undefined`: never. */
  readonly expiresAt: Date | undefined;
  /** How often it was tried. */
  readonly attempts: number;
  /** Why the last attempt failed; `undefined`: none did. */
  readonly lastError: LastError | undefined;
}

/** Why an attempt failed. */
export interface LastError {
  /** As of `EarshotError`. */
  readonly code: string;
  /** For people. */
  readonly message: string;
}

/** A message that is not tried any more. */
export interface DeadLetter extends OutboxMessage {
  /** Why it is not tried any more. */
  readonly reason: Reason;
}

const CHUNK = 256;

/** The messages that could not be delivered. They stay until somebody decides. */
export class DeadLetters {
  readonly #environment: Environment<never>;
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #onRevived: () => void;

  /** @internal they are an outbox's `deadLetters` */
  constructor(environment: Environment<never>, store: Store, journal: Journal, onRevived: () => void) {
    this.#environment = environment;
    this.#store = store;
    this.#journal = journal;
    this.#onRevived = onRevived;
  }

  /** In the order in which they were posted. */
  *list(): Generator<DeadLetter> {
    for (let after = 0; ; ) {
      const graves = this.#store.graveyard.after(after, CHUNK);
      for (const { sequence, record, reason } of graves) {
        after = sequence;
        yield toLetter(this.#store.named(decodeLeniently(record), sequence), reason);
      }
      if (graves.length < CHUNK) return;
    }
  }

  /** `undefined` if there is none of that id. */
  get(id: string): DeadLetter | undefined {
    const sequence = this.#find(id);
    const grave = sequence === undefined ? undefined : this.#store.graveyard.get(sequence);
    if (grave === undefined) return undefined;
    return toLetter(this.#store.named(decodeLeniently(grave.record), grave.sequence), grave.reason);
  }

  /**
   * Posts it anew, with its id, behind all others, and without a time to expire; or all of them. Returns how many.
   *
   * @throws EarshotError `INVALID_ARGUMENT` if there is no dead letter of that id; `STORE_DAMAGED` if it cannot be read
   */
  async retry(id: string | { readonly all: true }): Promise<number> {
    const now = Date.now();
    const revive = (sequence: number) => this.#store.revive(sequence, now) !== undefined;
    const count = await this.#forEach(id, "post", revive);
    this.#onRevived();
    return count;
  }

  /** Removes it for good, or all of them. Returns how many. @throws EarshotError `INVALID_ARGUMENT` */
  drop(id: string | { readonly all: true }): Promise<number> {
    return this.#forEach(id, "post", (sequence) => this.#store.drop(sequence));
  }

  async #forEach(
    id: string | { readonly all: true },
    op: "post",
    action: (sequence: number) => boolean,
  ): Promise<number> {
    if (typeof id !== "string") return await this.#forAll(op, action);
    const isDone = await this.#journal.run(op, 0, false, () => {
      const sequence = this.#store.find(id);
      return sequence !== undefined && this.#store.graveyard.has(sequence) && action(sequence);
    });
    if (isDone) return 1;
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use id: ${JSON.stringify(id)}; there is no such dead letter`);
  }

  /** Those that are there now: what dies again meanwhile has a later number. */
  async #forAll(op: "post", action: (sequence: number) => boolean): Promise<number> {
    let count = 0;
    this.#environment.refresh();
    const [last] = this.#store.graveyard.last();
    for (let after = 0, isMore = last !== undefined; isMore; ) {
      const chunk = this.#store.graveyard.after(after, CHUNK).filter(({ sequence }) => sequence <= (last ?? 0));
      after = chunk.at(-1)?.sequence ?? 0;
      isMore = chunk.length === CHUNK;
      const run = () => chunk.filter(({ sequence }) => action(sequence)).length;
      if (chunk.length > 0) count += await this.#journal.run(op, 0, false, run);
    }
    return count;
  }

  #find(id: string): number | undefined {
    this.#environment.refresh();
    return this.#store.find(id);
  }
}

/** The pending messages, in the order in which they were posted. */
export function* pendingMessages(store: Store): Generator<OutboxMessage> {
  for (let after = 0; ; ) {
    const sequences = store.pendingAfter(after, CHUNK);
    for (const sequence of sequences) {
      after = sequence;
      const message = store.read(sequence);
      if (message !== undefined) yield pendingMessage(store, sequence, message);
    }
    if (sequences.length < CHUNK) return;
  }
}

export function pendingMessage(store: Store, sequence: number, message: KeptMessage): OutboxMessage {
  const failure = store.failureOf(sequence);
  const lastError = failure === undefined ? undefined : { code: failure.code, message: failure.message };
  return { ...toMessage(message), attempts: failure?.attempts ?? 0, lastError };
}

function toLetter(message: KeptMessage, reason: Reason): DeadLetter {
  const { attempts, code, message: text } = reason;
  return { ...toMessage(message), attempts, lastError: { code, message: text }, reason };
}

function toMessage({ id, key, headers, data, postedAt, dueAt, expiresAt }: KeptMessage) {
  return {
    id,
    key: key === "" ? undefined : key,
    headers,
    data,
    postedAt: new Date(postedAt),
    dueAt: dueAt === 0 ? undefined : new Date(dueAt),
    expiresAt: expiresAt === 0 ? undefined : new Date(expiresAt),
  };
}

/** One that is damaged is listed all the same, without its content. */
function decodeLeniently(record: Buffer): KeptMessage {
  try {
    return decodeRecord(record);
  } catch {
    return { ...decodeHead(record), headers: {}, postedAt: 0, data: new Uint8Array() };
  }
}
