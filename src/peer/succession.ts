import type { EarshotError } from "../errors.js";
import type { Inflow } from "./flow.js";
import { isPermanent } from "./permanent.js";
import type { Redial } from "./redial.js";
import type { StreamedPending } from "./streamed-pending.js";

/** One that lasted so long was a good one: its end begins a new count of failures. */
const GOOD_AFTER_MS = 1_000;

/** What exchanges that follow each other need of their client. */
export interface SuccessionParts {
  /** @param onAnswered called with the first bytes of the answer */
  make(onAnswered: () => void): StreamedPending;
  /** Sends the first; each that follows with a connection that is there after so many milliseconds. */
  start(pending: StreamedPending, delayMs: number | undefined): void;
  readonly redial: Pick<Redial, "now" | "delayAfter">;
  /** Whether another follows one that is over. */
  readonly isLasting: boolean;
  /** Whether the client has one connection and no other. */
  readonly isSingle: boolean;
  /** Called once: none is left, and none follows. */
  onOver(): void;
}

/**
 * The exchanges that a subscription is, one at a time: when one is over, another is begun at once, with the next connection,
 * while what came of it is still read. Of those between the one that is read and the newest nothing is kept.
 */
export class Succession {
  readonly #parts: SuccessionParts;
  #read: StreamedPending;
  #newest: StreamedPending;
  #startedAt = 0;
  #failures = 0;
  #isAnswered = false;
  /** A failure that comes at once comes from this side, and would come again. */
  #isStarting = false;
  #state: "on" | "left" | "over" = "on";

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
    this.#newest = this.#make();
    this.#read = this.#newest;
  }

  /** What comes of the one that is read. */
  get inflow(): Inflow {
    return this.#read.reader;
  }

  /** To be called once. */
  begin(): void {
    this.#start(undefined);
  }

  /** What comes of the newest, for who has read all of the one before; `undefined` if none follows it. */
  next(): Inflow | undefined {
    if (this.#newest === this.#read) this.#follow();
    if (this.#newest === this.#read) return undefined;
    this.#read = this.#newest;
    return this.#read.reader;
  }

  /** Nobody wants any more of it. */
  leave(): void {
    if (this.#state === "on") this.#state = "left";
    for (const pending of [this.#read, this.#newest]) pending.breakOff("the subscriber wants no more");
    this.#finish();
  }

  #make(): StreamedPending {
    const pending = this.#parts.make(() => {
      this.#isAnswered = true;
    });
    pending.onEnded = (error) => this.#onEnded(pending, error);
    return pending;
  }

  #start(delayMs: number | undefined): void {
    this.#startedAt = this.#parts.redial.now();
    this.#isAnswered = false;
    this.#isStarting = true;
    this.#parts.start(this.#newest, delayMs);
    this.#isStarting = false;
  }

  #onEnded(pending: StreamedPending, error: EarshotError | undefined): void {
    if (pending !== this.#newest) return;
    if (!this.#parts.isLasting || this.#state !== "on") this.#finish();
    // That it failed is told right after.
    else if (error === undefined) void Promise.resolve().then(() => pending === this.#newest && this.#follow());
    else if (this.#isStarting || isPermanent(error, this.#parts.isSingle) || this.#isTooSlow(error)) this.#finish();
    else this.#follow(error);
  }

  /** It has asked to be cut off when it is. */
  #isTooSlow({ code }: EarshotError): boolean {
    return code === "OVERLOADED" && this.#isAnswered;
  }

  /** @param error why the last is over; none: the server has ended it in good order */
  #follow(error?: EarshotError): void {
    const { redial, isLasting } = this.#parts;
    if (!isLasting || this.#state !== "on") return;
    if (redial.now() - this.#startedAt >= GOOD_AFTER_MS) this.#failures = 0;
    this.#newest = this.#make();
    // Where the connection is at fault, the line is patient already, and knows when the server is back.
    const isRefused = error === undefined || error.code === "OVERLOADED";
    this.#start(isRefused ? redial.delayAfter(this.#failures++, error?.retryAfterMs) : 0);
  }

  #finish(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#parts.onOver();
  }
}
