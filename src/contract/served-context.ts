import { EarshotError } from "../errors.js";
import type { Answering } from "../peer/answering.js";
import type { Peer } from "../peer/context.js";
import { Refusal } from "./faults.js";
import type { Headers } from "./headers.js";
import type { Served } from "./service.js";
import type { CallContext } from "./types.js";

/** What the handler and middleware know of a call. Middleware adds to it. */
export class ServedContext implements CallContext {
  readonly procedure: string;
  readonly headers: Headers;
  readonly errors: CallContext["errors"];
  readonly #answering: Answering;

  constructor(served: Served, headers: Headers, answering: Answering) {
    this.procedure = served.name;
    this.headers = headers;
    this.errors = served.errors;
    this.#answering = answering;
  }

  get signal(): AbortSignal {
    return this.#answering.context.signal;
  }

  get peer(): Peer {
    return this.#answering.context.peer;
  }

  get timeLeftMs(): number | undefined {
    const { deadlineAt } = this.#answering;
    return deadlineAt === Infinity ? undefined : Math.max(0, deadlineAt - performance.now());
  }

  /** True when nobody waits for the answer any more. */
  static isAbandoned(context: ServedContext): boolean {
    return context.#answering.isAbandoned;
  }

  refuse(text: string): EarshotError {
    return new Refusal("PEER_REFUSED", text);
  }

  /** Members that middleware has given. @throws EarshotError for a name that the context has already */
  static add(context: ServedContext, added: object): void {
    for (const [name, value] of Object.entries(added)) {
      if (OWN.has(name)) {
        const fact = `Cannot add ${JSON.stringify(name)} to the context: it has that already; choose another name`;
        throw new EarshotError("INVALID_ARGUMENT", fact);
      }
      Object.defineProperty(context, name, { value, enumerable: true, configurable: true, writable: true });
    }
  }
}

const OWN: ReadonlySet<string> = new Set([
  "procedure",
  "headers",
  "errors",
  ...Object.getOwnPropertyNames(ServedContext.prototype),
]);
