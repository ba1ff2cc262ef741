import { EarshotError } from "../errors.js";
import type { Client } from "../peer/client.js";
import { dial } from "../peer/dial.js";
import { checkChoice, checkTimeout, DIAL_DEFAULTS } from "../peer/options.js";
import { Caller } from "./caller.js";
import { CODEC_NAMES } from "./codecs.js";
import type { ConnectOptions } from "./connect.js";
import { type ContractDescription, describeOver, type ProcedureDescription } from "./describe.js";
import { NO_DESCRIPTORS } from "./limits.js";
import { Plan } from "./plan.js";
import type { CallOptions, Items, Stream } from "./types.js";

/** Of a call by name: the caller's items, where the procedure accepts some. */
export interface AnyCallOptions extends CallOptions {
  /** Default none. */
  readonly items?: Items<unknown> | undefined;
}

/** Any server's procedures, by name, without its contract: for tools. Whoever connected closes it. */
export class AnyApi implements AsyncDisposable {
  /** What the server said is there. */
  readonly description: ContractDescription;
  /** The client that the calls go over. */
  readonly client: Client;
  readonly #caller: Caller;

  /** @internal use `connectAny` */
  constructor(description: ContractDescription, caller: Caller) {
    this.description = description;
    this.client = caller.client;
    this.#caller = caller;
  }

  /** The procedure of this full name. @throws EarshotError `UNKNOWN_PROCEDURE` */
  procedure(name: string): ProcedureDescription {
    const found = this.description.procedures.find((procedure) => procedure.name === name);
    if (found !== undefined) return found;
    const { name: contract, version } = this.description;
    const fact = `Cannot call ${JSON.stringify(name)}: contract ${contract} ${version} has no such procedure`;
    throw new EarshotError("UNKNOWN_PROCEDURE", fact, { op: "call", address: this.client.address, procedure: name });
  }

  /**
   * Calls a procedure that replies once. Nothing is checked on this side.
   *
   * @throws EarshotError as the procedure's own function
   */
  async call(name: string, input?: unknown, options: AnyCallOptions = {}): Promise<unknown> {
    const plan = this.#plan(name);
    if (plan.yields) throw wrongKind(name, "streams its output: use `stream`");
    if (!plan.accepts) return await this.#caller.unary(plan, input, options);
    return await this.#caller.upload(plan, input, options.items ?? [], options);
  }

  /** Calls a procedure that streams its output, when its first item is asked for. @throws EarshotError `UNKNOWN_PROCEDURE` */
  stream(name: string, input?: unknown, options: AnyCallOptions = {}): Stream<unknown> {
    const plan = this.#plan(name);
    if (!plan.yields) throw wrongKind(name, "replies once: use `call`");
    return this.#caller.stream(plan, input, options.items ?? [], options);
  }

  /** Closes the client, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.client.close();
  }

  #plan(name: string): Plan {
    const { kind, hasInput } = this.procedure(name);
    return new Plan(name, kind, hasInput, undefined, this.client.address, this.#caller.codec.id);
  }
}

function wrongKind(name: string, fact: string): EarshotError {
  return new EarshotError("INVALID_ARGUMENT", `Cannot call ${name} so: it ${fact}`, { op: "call", procedure: name });
}

/**
 * Connects to a server of any contract, and asks what is there.
 *
 * @param address as for `dial`
 * @throws EarshotError `UNSUPPORTED` where no contract is served, and as `dial`
 */
export async function connectAny(address: string, options: ConnectOptions = {}): Promise<AnyApi> {
  const { timeoutMs, codec: wanted, ...rest } = options;
  const codec = checkChoice("codec", wanted, CODEC_NAMES);
  checkTimeout("timeoutMs", timeoutMs);
  const client = await dial(address, { ...rest, ...NO_DESCRIPTORS });
  try {
    const description = await describeOver(client, { timeoutMs, signal: options.signal });
    const maxMessageBytes = options.maxMessageBytes ?? DIAL_DEFAULTS.maxMessageBytes;
    return new AnyApi(description, new Caller(client, codec, timeoutMs, maxMessageBytes));
  } catch (error) {
    await client.close({ graceMs: 0 });
    throw error;
  }
}
