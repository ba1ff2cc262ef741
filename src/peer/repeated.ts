import { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import type { Retry } from "./client-state.js";
import { type DescriptorTable, duplicateAll } from "./descriptor.js";
import type { GivingUp } from "./giving-up.js";
import type { Line } from "./line.js";
import type { Pending } from "./pending.js";
import { isPermanent } from "./permanent.js";
import type { StreamedMessage } from "./streamed-message.js";

/** A caller's promise. */
export interface Settle {
  resolve(reply: Message | StreamedMessage): void;
  reject(error: unknown): void;
}

export interface RepeatedParts {
  readonly line: Line;
  readonly policy: Exclude<Retry, false>;
  /** Makes a request for one attempt, which is over when either is called. */
  readonly make: (settle: Settle) => Pending;
  readonly settle: Settle;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly givingUp: GivingUp;
  readonly metaBytes: Uint8Array | undefined;
  /** Go with each attempt, and are closed in the end. */
  readonly descriptors: readonly number[];
  readonly table: DescriptorTable | undefined;
}

/** A message that is sent again, as its policy says, until it is settled. Each attempt is a request of its own. */
export class Repeated {
  readonly #parts: RepeatedParts;
  readonly #deadlineAt: number;
  /** A failure that comes at once comes from this side, and would come again. */
  #isHandingOver = false;
  #mayBeHandled = false;
  #overloads = 0;
  #isSettled = false;

  constructor(parts: RepeatedParts) {
    this.#parts = parts;
    this.#deadlineAt = parts.timeoutMs > 0 ? performance.now() + parts.timeoutMs : Infinity;
  }

  begin(): void {
    const { line, signal } = this.#parts;
    this.#isHandingOver = true;
    const pending = this.#attempt();
    if (signal?.aborted) pending.onFailure("CANCELLED", "", "unsent");
    else line.persist(pending);
    this.#isHandingOver = false;
  }

  #attempt(): Pending {
    const { make, timeoutMs, signal, givingUp, metaBytes, descriptors, table } = this.#parts;
    const settle = { resolve: this.#resolve, reject: this.#fail };
    const pending = make(settle);
    pending.metaBytes = metaBytes;
    if (descriptors.length > 0) pending.descriptors = duplicateAll(table, descriptors);
    pending.limit(timeoutMs, signal, givingUp);
    pending.deadlineAt = this.#deadlineAt;
    return pending;
  }

  readonly #resolve = (reply: Message | StreamedMessage): void => {
    this.#finish();
    this.#parts.settle.resolve(reply);
  };

  readonly #fail = (error: unknown): void => {
    // A reply that is a stream may break off later, and says so itself.
    if (this.#isSettled) return;
    if (!(error instanceof EarshotError) || !this.#isWorthwhile(error)) {
      this.#finish();
      this.#parts.settle.reject(this.#explain(error));
      return;
    }
    const { line } = this.#parts;
    const delayMs = error.code === "OVERLOADED" ? line.redial.delayAfter(++this.#overloads, error.retryAfterMs) : 0;
    this.#isHandingOver = true;
    try {
      line.repeat(this.#attempt(), delayMs);
    } catch (reason) {
      // There is no descriptor left for another attempt.
      this.#finish();
      this.#parts.settle.reject(reason);
    }
    this.#isHandingOver = false;
  };

  #isWorthwhile(error: EarshotError): boolean {
    const { policy, signal, line } = this.#parts;
    if (error.delivery === "unknown") this.#mayBeHandled = true;
    if (this.#isHandingOver || isPermanent(error, line.isSingle)) return false;
    if (signal?.aborted || line.redial.now() >= this.#deadlineAt) return false;
    return error.delivery === "unsent" || (error.delivery === "unknown" && policy === "idempotent");
  }

  /** What an attempt knows of itself is not all: another may have been handled. */
  #explain(error: unknown): unknown {
    if (!(error instanceof EarshotError) || !this.#mayBeHandled || error.delivery !== "unsent") return error;
    const { code, message, op, address, cause, remoteCode, procedure, retryAfterMs } = error;
    const details = { op, address, cause, remoteCode, procedure, retryAfterMs };
    return new EarshotError(code, message, { ...details, delivery: "unknown" });
  }

  #finish(): void {
    this.#isSettled = true;
    const { descriptors, table } = this.#parts;
    for (const descriptor of descriptors) table?.close(descriptor);
  }
}
