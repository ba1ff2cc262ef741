import { EarshotError } from "../errors.js";
import type { StreamedPending } from "../peer/streamed-pending.js";
import type { Caller } from "./caller.js";
import { CodecError } from "./codec.js";
import { ItemWriter } from "./item-writer.js";
import type { Plan } from "./plan.js";
import { Pump } from "./pump.js";

/** The items that a caller streams, on their way. */
export class Sending {
  readonly #pump: Pump;
  /** Why they could not all be sent, where that is the caller's own doing. */
  error: EarshotError | undefined;

  /** @throws EarshotError `INVALID_ARGUMENT` if they are no items */
  constructor(caller: Caller, plan: Plan, items: unknown, pending: StreamedPending) {
    const out = pending.writer;
    if (out === undefined) throw new Error("an exchange without a body has a writer");
    const writer = new ItemWriter(out, caller.codec.id);
    this.#pump = new Pump(items, writer);
    // Nobody takes them any more: the other side has had enough, or is gone.
    out.onOver = () => this.#pump.stop();
    this.#pump.run().then(
      () => writer.end(),
      (error: unknown) => {
        this.error = explain(caller, plan, error);
        pending.breakOff(this.error.message, this.error);
      },
    );
  }

  /** No more are wanted. */
  stop(): void {
    this.#pump.stop();
  }
}

function explain(caller: Caller, plan: Plan, error: unknown): EarshotError {
  const unsendable = error instanceof CodecError ? caller.unsendable(plan, "item", error) : undefined;
  if (unsendable instanceof EarshotError) return unsendable;
  const reason = error instanceof Error ? error.message : String(error);
  const fact = `Cannot call ${plan.name}: the items that were to be streamed failed: ${reason}`;
  return new EarshotError("CANCELLED", fact, { op: "call", procedure: plan.name, cause: error });
}
