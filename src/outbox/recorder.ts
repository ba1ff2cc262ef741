import type { EarshotError } from "../errors.js";
import type { Clock } from "./clock.js";
import { toError } from "./failure.js";
import type { Journal } from "./journal.js";
import { type Outcome, recordAll } from "./outcomes.js";
import type { Store } from "./store.js";

/** When the store could not be written. */
const AGAIN_MS = 1_000;

interface RecorderHost {
  /** They are on disk, and these messages are ready because of them. */
  onRecorded(outcomes: readonly Outcome[], ready: readonly number[]): void;
  /** They are not; it is tried again. */
  onTrouble(error: EarshotError): void;
}

/** Writes down what became of attempts: all of a turn in one transaction. What cannot be written stays in memory until it can. */
export class Recorder {
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #host: RecorderHost;
  #outcomes: Outcome[] = [];
  #state: "idle" | "writing" | "waiting" = "idle";
  #isClosed = false;

  constructor(store: Store, journal: Journal, clock: Clock, host: RecorderHost) {
    this.#store = store;
    this.#journal = journal;
    this.#clock = clock;
    this.#host = host;
  }

  /** Whether the store cannot be written just now: what is delivered meanwhile might be delivered again. */
  get isHeldUp(): boolean {
    return this.#state === "waiting";
  }

  settle(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (this.#state === "idle") void this.#record();
  }

  /** Resolves when all outcomes are on disk, or cannot be written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#outcomes.length > 0 && !this.isHeldUp) await this.#record();
    await this.#journal.idle;
  }

  async #record(): Promise<void> {
    this.#state = "writing";
    // Those of this turn belong together.
    await Promise.resolve();
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    let ready: readonly number[];
    try {
      const now = this.#clock.now();
      ready = await this.#journal.run("post", 0, false, () => recordAll(this.#store, outcomes, now));
    } catch (error) {
      this.#onFailure(outcomes, error);
      return;
    }
    this.#state = "idle";
    this.#host.onRecorded(outcomes, ready);
    if (this.#outcomes.length > 0) void this.#record();
  }

  #onFailure(outcomes: Outcome[], error: unknown): void {
    this.#outcomes = outcomes.concat(this.#outcomes);
    this.#state = "waiting";
    this.#host.onTrouble(toError(error));
    this.#clock.after(AGAIN_MS, () => {
      if (!this.#isClosed) void this.#record();
    });
  }
}
