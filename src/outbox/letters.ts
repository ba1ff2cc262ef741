import { EarshotError } from "../errors.js";
import type { Environment } from "./environment.js";
import type { Reason } from "./failure.js";
import type { Journal } from "./journal.js";
import { refuse } from "./options.js";
import type { KeptMessage } from "./record.js";
import type { Store, View } from "./store.js";

/** A message that an outbox holds. */
export interface OutboxMessage {
  /** What it is known by. */
  readonly id: string;
  /** Those of the same key are delivered one after the other; `undefined`: it has none. */
  readonly key: string | undefined;
  /** What goes along with it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its bytes; none if it is damaged. */
  readonly data: Uint8Array;
  /** When it was posted, by the wall clock. */
  readonly postedAt: Date;
  /** Until when it is held back. */
  readonly dueAt: Date | undefined;
  /** When it is a dead letter if it is not delivered; `undefined`: never. */
  readonly expiresAt: Date | undefined;
  /** How often it was tried. */
  readonly attempts: number;
  /** Why the last attempt failed, or `STORE_DAMAGED`: no attempt will be made; `undefined`: neither. */
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

/** What dead letters need of their outbox. */
interface Surroundings {
  readonly environment: Environment<never>;
  readonly store: Store;
  readonly journal: Journal;
  /** @throws EarshotError `CONNECTION_CLOSED` */
  assertOpen(): void;
  onRevived(): void;
}

/** The messages that could not be delivered. They stay until somebody decides. */
export class DeadLetters {
  readonly #outbox: Surroundings;

  /** @internal they are an outbox's `deadLetters` */
  constructor(outbox: Surroundings) {
    this.#outbox = outbox;
  }

  /**
   * In the order in which they were posted. A damaged one has no data.
   *
   * @throws EarshotError `CONNECTION_CLOSED` when the outbox is closed, also while it is listed
   */
  *list(): Generator<DeadLetter> {
    const { store } = this.#outbox;
    for (const sequence of inChunks(this.#outbox, (after) => store.graveyard.after(after, CHUNK))) {
      const letter = store.letter(sequence);
      if (letter !== undefined) yield toLetter(letter.message, letter.reason);
    }
  }

  /** `undefined` if there is none of that id. @throws EarshotError `CONNECTION_CLOSED` */
  get(id: string): DeadLetter | undefined {
    const { environment, store } = this.#outbox;
    this.#outbox.assertOpen();
    environment.refresh();
    const sequence = store.find(id);
    const letter = sequence === undefined ? undefined : store.letter(sequence);
    return letter === undefined ? undefined : toLetter(letter.message, letter.reason);
  }

  /**
   * Posts it anew, with its id, behind all others, and without a time to expire; or all of them that are not damaged. Returns
   * how many.
   *
   * @throws EarshotError `INVALID_ARGUMENT` if there is no dead letter of that id; `STORE_DAMAGED` if it cannot be read;
   * `CONNECTION_CLOSED`
   */
  async retry(id: string | { readonly all: true }): Promise<number> {
    const { store } = this.#outbox;
    const now = Date.now();
    const count = await this.#forEach(id, (sequence) => store.revive(sequence, now));
    this.#outbox.onRevived();
    return count;
  }

  /** Removes it for good, or all of them. Returns how many. @throws EarshotError `INVALID_ARGUMENT`, `CONNECTION_CLOSED` */
  async drop(id: string | { readonly all: true }): Promise<number> {
    const { store } = this.#outbox;
    return await this.#forEach(id, (sequence) => store.drop(sequence));
  }

  async #forEach(id: string | { readonly all: true }, action: (sequence: number) => boolean): Promise<number> {
    this.#outbox.assertOpen();
    if (typeof id !== "string") {
      // Whoever has no id by mistake does not mean all of them.
      if (id?.all !== true) refuse("id", id, "the id of a dead letter, or { all: true }");
      return await this.#forAll(action);
    }
    const { journal, store } = this.#outbox;
    const isDone = await journal.run("post", 0, false, () => {
      const sequence = store.find(id);
      return sequence !== undefined && action(sequence);
    });
    if (isDone) return 1;
    throw new EarshotError("INVALID_ARGUMENT", `Cannot use id: ${JSON.stringify(id)}; there is no such dead letter`);
  }

  /** Those that are there now: what dies again meanwhile has a later number. */
  async #forAll(action: (sequence: number) => boolean): Promise<number> {
    const { environment, journal, store } = this.#outbox;
    environment.refresh();
    const [last = 0] = store.graveyard.last();
    let count = 0;
    for (let after = 0; after < last; ) {
      const chunk = store.graveyard.after(after, CHUNK).filter((sequence) => sequence <= last);
      const run = () => chunk.filter((sequence) => isDone(action, sequence)).length;
      if (chunk.length > 0) count += await journal.run("post", 0, false, run);
      after = chunk.at(-1) ?? last;
    }
    return count;
  }
}

/** One that is damaged stays as it is, and keeps no others from being done. */
function isDone(action: (sequence: number) => boolean, sequence: number): boolean {
  try {
    return action(sequence);
  } catch (error) {
    if (error instanceof EarshotError && error.code === "STORE_DAMAGED") return false;
    throw error;
  }
}

/** All numbers of a table, looked up a chunk at a time: what they stand for may be large. */
function* inChunks(
  { assertOpen }: Pick<Surroundings, "assertOpen">,
  chunkAfter: (sequence: number) => readonly number[],
): Generator<number> {
  for (let after = 0; ; ) {
    assertOpen();
    const chunk = chunkAfter(after);
    for (const sequence of chunk) {
      assertOpen();
      after = sequence;
      yield sequence;
    }
    if (chunk.length < CHUNK) return;
  }
}

/** The pending messages, in the order in which they were posted. */
export function* pendingMessages(store: Store, assertOpen: () => void): Generator<OutboxMessage> {
  for (const sequence of inChunks({ assertOpen }, (after) => store.pendingAfter(after, CHUNK))) {
    const view = store.view(sequence);
    if (view !== undefined) yield pendingMessage(store, sequence, view);
  }
}

export function pendingMessage(store: Store, sequence: number, view: View): OutboxMessage {
  const failure = store.failureOf(sequence);
  const { code, message } = view.damage ?? failure ?? {};
  const lastError = code === undefined || message === undefined ? undefined : { code, message };
  return { ...toMessage(view), attempts: failure?.attempts ?? 0, lastError };
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
