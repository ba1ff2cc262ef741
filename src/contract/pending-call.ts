import type { Delivery, EarshotError, ErrorCode } from "../errors.js";
import type { Message } from "../message.js";
import { Pending } from "../peer/pending.js";
import type { FailureDetails } from "../session/session.js";
import type { Caller } from "./caller.js";
import type { Plan } from "./plan.js";

/** A caller's promise of an output. */
export class PendingCall extends Pending {
  readonly #caller: Caller;
  readonly #plan: Plan;

  constructor(
    caller: Caller,
    plan: Plan,
    body: Uint8Array,
    resolve: (output: unknown) => void,
    reject: (error: EarshotError) => void,
  ) {
    super(plan.origin, body, resolve, reject);
    this.#caller = caller;
    this.#plan = plan;
  }

  override onFailure(code: ErrorCode, fact: string, delivery: Delivery, details?: FailureDetails): void {
    this.letGo();
    super.onFailure(code, fact, delivery, details);
  }

  override onReply(message: Message, descriptors: readonly number[]): void {
    if (descriptors.length > 0) for (const descriptor of this.receive(descriptors)) descriptor[Symbol.dispose]();
    try {
      this.resolve(this.#caller.output(this.#plan, message));
    } catch (error) {
      this.unlisten();
      this.reject(error as EarshotError);
    }
  }
}
