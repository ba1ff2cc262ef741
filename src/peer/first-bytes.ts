import { detectWire } from "../wire/preface.js";

/** The first bytes of a connection, while they do not tell its wire. */
export class FirstBytes {
  #bytes: Buffer | undefined;

  /** Adds what has come, borrowed; once the wire is known, these are all bytes so far. */
  add(bytes: Buffer): { readonly wire: "framed" | "plain"; readonly bytes: Buffer } | undefined {
    const all = this.#bytes === undefined ? bytes : Buffer.concat([this.#bytes, bytes]);
    const wire = detectWire(all);
    if (wire !== "undecided") return { wire, bytes: all };
    this.#bytes = Buffer.from(all);
    return undefined;
  }

  /** No more come: what there is was a plain message. */
  end(): Buffer | undefined {
    return this.#bytes;
  }
}
