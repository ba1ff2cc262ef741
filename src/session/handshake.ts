import { EarshotError } from "../errors.js";
import { violation } from "../wire/decode.js";
import { PREFACE, PROTOCOL_VERSION } from "../wire/frame.js";
import { decodeHello, encodeGreeting, type Hello, SYSTEM_FEATURE } from "../wire/hello.js";
import type { OwnApp } from "./session.js";

/** Takes the preface off the front of a connection's bytes. */
export class PrefaceReader {
  #seen = 0;

  /** Returns where the frames begin in these bytes, or -1 while the preface is not complete. */
  take(bytes: Uint8Array): number {
    let offset = 0;
    while (this.#seen < PREFACE.length) {
      if (offset === bytes.length) return -1;
      if (bytes[offset] !== PREFACE[this.#seen]) {
        throw violation('it does not begin with earshot\'s preface. Is it another kind of server? (see wire: "plain")');
      }
      this.#seen++;
      offset++;
    }
    return offset;
  }
}

/**
 * Makes sure that both sides suit.
 *
 * @returns whether the other side is going to send SYSTEM messages only
 * @throws EarshotError `VERSION_MISMATCH`, `CONTRACT_MISMATCH`, naming both sides and what to do
 */
export function agree(own: OwnApp, other: Hello): boolean {
  const [oldest, newest] = other.versions;
  if (PROTOCOL_VERSION < oldest || PROTOCOL_VERSION > newest) {
    const theirs = oldest === newest ? `${oldest}` : `${oldest} to ${newest}`;
    const older = PROTOCOL_VERSION < oldest ? "this" : "the other";
    throw mismatch(`this side speaks protocol ${PROTOCOL_VERSION}, the other ${theirs}; upgrade ${older} side`);
  }
  if (other.features.includes(SYSTEM_FEATURE)) return true;
  const objection = own.objection(other.app);
  if (objection !== undefined) throw mismatch(objection);
  const mismatched = own.contract?.objection(other.contract);
  if (mismatched !== undefined) throw new EarshotError("CONTRACT_MISMATCH", mismatched);
  return false;
}

function mismatch(fact: string): EarshotError {
  return new EarshotError("VERSION_MISMATCH", fact);
}

/** What was read last: a server's callers mostly say the same, and so does a server that is dialed again and again. */
let last: { readonly payload: Buffer; readonly hello: Hello } | undefined;

/** What was said last: who dials again and again mostly says the same. */
let said: { readonly text: string; readonly greeting: Buffer } | undefined;

/** The greetings of a server's or client's connections. */
export class Greetings {
  readonly #hello: Hello;
  #own: Buffer | undefined;

  constructor(hello: Hello) {
    this.#hello = hello;
  }

  /** The preface and HELLO of this side. */
  get own(): Buffer {
    if (this.#own === undefined) {
      const text = JSON.stringify(this.#hello);
      if (said?.text !== text) said = { text, greeting: encodeGreeting(text) };
      this.#own = said.greeting;
    }
    return this.#own;
  }

  /** @throws EarshotError `PROTOCOL_VIOLATION` */
  read(payload: Buffer): Hello {
    if (last?.payload.equals(payload) === true) return last.hello;
    const hello = decodeHello(payload);
    last = { payload: Buffer.from(payload), hello };
    return hello;
  }
}
