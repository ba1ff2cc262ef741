import { EarshotError } from "../errors.js";
import type { Credentials } from "../transport/credentials.js";
import { type Allow, refusalOf } from "./allow.js";
import type { Logger } from "./options.js";

/** Who is let in to a server. */
export class Entrance {
  readonly #allow: Allow | undefined;
  readonly #maxConnections: number;
  readonly #logger: Logger;

  /** @param allow nobody is asked for when it is missing: the mode of the socket file alone decides */
  constructor(allow: Allow | undefined, maxConnections: number, logger: Logger) {
    this.#allow = allow;
    this.#maxConnections = maxConnections;
    this.#logger = logger;
  }

  /** What to tell somebody who cannot be let in beside so many others; `undefined` for who can. */
  refusalOf(id: number, credentials: Credentials | undefined, others: number): EarshotError | undefined {
    if (this.#allow !== undefined) {
      const refusal = refusalOf(this.#allow, credentials);
      if (refusal !== undefined) {
        this.#logger.warn({ peer: id, credentials, error: refusal.cause }, `refused a connection: ${refusal.text}`);
        return new EarshotError("PEER_REFUSED", `the server does not let this side in: ${refusal.text}`);
      }
    }
    if (others < this.#maxConnections) return undefined;
    this.#logger.warn({ peer: id }, `refused a connection: there are ${this.#maxConnections} already (maxConnections)`);
    const text = `the server has all the ${this.#maxConnections} connections that it takes; try again later`;
    return new EarshotError("OVERLOADED", text);
  }
}
