import { isThenable } from "../peer/reply.js";
import type { Lender } from "../session/session.js";
import type { FailureName } from "../wire/failure.js";
import { check } from "./check.js";
import { type Codec, CodecError } from "./codec.js";
import { Declared, Invalid, Refusal } from "./faults.js";
import { Status } from "./format.js";
import { runInside } from "./middleware.js";
import { ServedContext } from "./served-context.js";
import type { Served, Service } from "./service.js";

/** What the caller hears of an error that the contract does not declare. The server's log has the rest. */
const UNDECLARED = "it threw an error that its contract does not declare";

/** One call of a procedure, from its input to its reply. */
export abstract class ServedCall {
  protected readonly service: Service;
  protected readonly served: Served;
  protected readonly codec: Codec;
  protected readonly context: ServedContext;

  constructor(service: Service, served: Served, codec: Codec, context: ServedContext) {
    this.service = service;
    this.served = served;
    this.codec = codec;
    this.context = context;
  }

  /** Whether the reply goes to the session as it is, so that its memory can be used again. */
  protected readonly lends: boolean = false;

  /** What the handler, and all that belongs to it, comes to. */
  protected abstract run(): unknown;
  /** The last word of this side. */
  protected abstract reply(bytes: Uint8Array, lender?: Lender): void;
  /** The same, where there is no reply. */
  protected abstract refuse(code: FailureName, text: string): void;

  start(): void {
    const { middleware } = this.service;
    let outcome: unknown;
    try {
      if (middleware.length === 0) outcome = this.run();
      else
        outcome = runInside(
          middleware,
          this.context,
          (added) => ServedContext.add(this.context, added),
          () => this.run(),
        );
    } catch (error) {
      this.fail(error);
      return;
    }
    this.settle(outcome);
  }

  /** With what the handler has returned, or promised. */
  settle(outcome: unknown): void {
    if (isThenable(outcome)) this.#settleLater(outcome);
    else this.#succeed(outcome);
  }

  #settleLater(outcome: PromiseLike<unknown>): void {
    outcome.then(
      (value) => this.#succeed(value),
      (error: unknown) => this.fail(error),
    );
  }

  #succeed(value: unknown): void {
    let bytes: Uint8Array;
    try {
      bytes = encodeOutput(this.service, this.served, this.codec, value, this.lends);
    } catch (error) {
      this.fail(error instanceof CodecError ? this.invalidOutput(error.message) : error);
      return;
    }
    this.reply(bytes, this.lends ? this.service.writer : undefined);
  }

  /** What has a name of its own reaches the caller; of all else it only hears that the handler failed. */
  fail(error: unknown): void {
    const { logger } = this.service;
    const { procedure } = this.context;
    try {
      if (error instanceof Refusal) this.refuse(error.failure, error.message);
      else if (error instanceof Declared && error.procedure === procedure) {
        this.reply(this.#encode(Status.DECLARED, error.remoteCode, error.data));
      } else if (error instanceof Invalid && error.code === "INVALID_INPUT") {
        this.reply(this.#encode(Status.INVALID_INPUT, undefined, error.issues));
      } else if (ServedContext.isAbandoned(this.context)) {
        logger.debug({ procedure, error }, "the handler failed, and nobody waits for it");
        this.refuse("CANCELLED", "nobody waits for it");
      } else if (error instanceof Invalid) {
        logger.error({ procedure, error }, "the output is not valid");
        this.reply(this.#encode(Status.INVALID_OUTPUT, undefined, error.issues));
      } else {
        logger.error({ procedure, error }, "the handler failed");
        this.refuse("HANDLER_FAILED", UNDECLARED);
      }
    } catch (second) {
      logger.error({ procedure, error: second }, "an error cannot be sent");
      this.refuse("HANDLER_FAILED", UNDECLARED);
    }
  }

  /** `undefined` is no bytes at all. @throws Invalid */
  #encode(status: number, name: string | undefined, value: unknown): Uint8Array {
    const { writer } = this.service;
    writer.begin();
    try {
      writer.byte(status);
      if (name !== undefined) {
        const length = Buffer.byteLength(name);
        writer.byte(length);
        writer.text(name, length);
      }
      if (value !== undefined) this.codec.encode(value);
      return writer.take();
    } catch (error) {
      writer.drop();
      throw error instanceof CodecError ? this.invalidOutput(error.message) : error;
    }
  }

  /** What the handler has made cannot go as it is. */
  protected invalidOutput(message: string): Invalid {
    const text = `Cannot call ${this.served.name}: the output cannot be sent: ${message}`;
    return new Invalid("INVALID_OUTPUT", [{ message, path: [] }], text);
  }

  /** @throws EarshotError `INVALID_INPUT`, or rejects */
  protected checkInput(value: unknown): unknown {
    return check(this.served.checks.input, value, "INVALID_INPUT", "input", this.served.name);
  }

  /** The value itself goes, not what the schema makes of it: that is the caller's. */
  protected checkOutput(value: unknown): unknown {
    const { checks, name } = this.served;
    if (!this.service.validates || checks.output === undefined) return value;
    const checked = check(checks.output, value, "INVALID_OUTPUT", "output", name);
    return isThenable(checked) ? checked.then(() => value) : value;
  }
}

/**
 * A reply that says the output.
 *
 * @param lends whether the service's writer lends it
 * @throws CodecError
 */
export function encodeOutput(
  { writer }: Service,
  { hasOutput }: Served,
  codec: Codec,
  value: unknown,
  lends: boolean,
): Uint8Array {
  writer.begin();
  try {
    writer.byte(Status.OK);
    // `undefined` is no bytes at all.
    if (hasOutput && value !== undefined) codec.encode(value);
    return lends ? writer.lend() : writer.take();
  } catch (error) {
    writer.drop();
    throw error;
  }
}
