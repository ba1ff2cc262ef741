import type { EarshotError } from "../errors.js";
import type { Message } from "../message.js";
import { Pending } from "../peer/pending.js";
import type { Caller } from "./caller.js";
import type { Plan } from "./plan.js";

/** A caller's promise of an output. */
export class PendingCall extends Pending {
  readonly #caller: Caller;
  readonly #plan: Plan;
  readonly #resolve: (output: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    caller: Caller,
    plan: Plan,
    body: Uint8Array,
    resolve: (output: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    super(plan.origin, body, resolve, reject as (error: EarshotError) => void);
    this.#caller = caller;
    this.#plan = plan;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  override onReply(message: Message, descriptors: readonly number[]): void {
    this.unlisten();
    if (descriptors.length > 0) for (const descriptor of this.receive(descriptors)) descriptor[Symbol.dispose]();
    try {
      this.#resolve(this.#caller.output(this.#plan, message));
    } catch (error) {
      this.#reject(error);
    }
  }
}
