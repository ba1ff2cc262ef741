import type { Answering } from "../peer/answering.js";
import { isThenable } from "../peer/reply.js";
import type { Lender } from "../session/session.js";
import type { FailureName } from "../wire/failure.js";
import type { Codec } from "./codec.js";
import { ServedCall } from "./served-call.js";
import type { ServedContext } from "./served-context.js";
import type { Served, Service } from "./service.js";

/** One message in, one out. */
export class UnaryCall extends ServedCall {
  readonly #inner: Answering;
  readonly #input: unknown;

  constructor(
    service: Service,
    served: Served,
    codec: Codec,
    context: ServedContext,
    inner: Answering,
    input: unknown,
  ) {
    super(service, served, codec, context);
    this.#inner = inner;
    this.#input = input;
  }

  protected override readonly lends: boolean = true;

  protected override run(): unknown {
    if (!this.served.hasInput) return this.#finish(this.served.handler(this.context));
    const input = this.checkInput(this.#input);
    return isThenable(input) ? input.then((checked) => this.#handle(checked)) : this.#handle(input);
  }

  #handle(input: unknown): unknown {
    return this.#finish(this.served.handler(input, this.context));
  }

  #finish(output: unknown): unknown {
    if (!this.service.validates || this.served.checks.output === undefined) return output;
    return isThenable(output) ? output.then((value) => this.checkOutput(value)) : this.checkOutput(output);
  }

  protected override reply(bytes: Uint8Array, lender?: Lender): void {
    this.#inner.reply(bytes, lender);
  }

  protected override refuse(code: FailureName, text: string): void {
    this.#inner.fail(code, text);
  }
}
