import { EarshotError } from "../errors.js";
import type { OwnSlab } from "../session/lending.js";
import type { Body, Outgoing } from "../session/session.js";
import { checkNumber } from "./options.js";

/** Less is copied sooner than it is lent. */
const LEAST_LENT_BYTES = 16_384;

/**
 * Memory for one message, which the receiver reads where it is: fill `bytes`, and send the loan itself. From then on it is
 * not the sender's any more: `bytes` is empty. What is neither sent nor disposed of is given back when it is forgotten.
 *
 * Where there is no memory that both sides see, or no place in it, it is ordinary memory, and the same code works.
 *
 * @example
 * const loan = await client.loan(1_048_576);
 * loan.bytes.fill(7);
 * await client.send(loan);
 */
export class Loan implements Disposable {
  /** How many bytes were asked for. */
  readonly byteLength: number;
  readonly #slab: OwnSlab | undefined;
  readonly #bytes: Uint8Array;
  #state: "open" | "sent" | "disposed" = "open";

  /** @internal @param slab held, and this object's */
  constructor(bytes: number, slab: OwnSlab | undefined) {
    this.byteLength = bytes;
    this.#slab = slab;
    this.#bytes = slab === undefined ? new Uint8Array(bytes) : slab.show(bytes);
  }

  /**
   * Exactly as many bytes as were asked for, of any content at first. Views of them, too, have none as soon as the loan is
   * sent or disposed of.
   */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Gives it back unsent; does nothing once it is sent. */
  [Symbol.dispose](): void {
    if (this.#state !== "open") return;
    this.#state = "disposed";
    this.#hide();
    this.#slab?.release();
  }

  /** @internal @throws EarshotError `INVALID_ARGUMENT` if it is not its holder's any more */
  static assertOpen(loan: Loan): void {
    const state = loan.#state;
    if (state === "open") return;
    const fact = state === "sent" ? "it was sent already, and is not this side's any more" : "it was disposed of";
    throw new EarshotError("INVALID_ARGUMENT", `Cannot send this loan: ${fact}; ask for another with loan()`);
  }

  /** @internal From now on it goes with a message. @throws EarshotError `INVALID_ARGUMENT` */
  static send(loan: Loan, item: Outgoing): void {
    Loan.assertOpen(loan);
    loan.#state = "sent";
    const slab = loan.#slab;
    if (slab === undefined) item.body = loan.#hide();
    else {
      loan.#hide();
      item.body = slab.memory.bytes.subarray(0, loan.byteLength);
      item.lender = slab;
    }
  }

  /** @internal Its bytes in memory of this side alone, for a message that may have to go again. @throws as `send` */
  static copy(loan: Loan): Body {
    Loan.assertOpen(loan);
    const copy = loan.#slab === undefined ? undefined : Buffer.from(loan.#bytes);
    loan.#state = "sent";
    const hidden = loan.#hide();
    loan.#slab?.release();
    return copy ?? hidden;
  }

  /** Nobody has a view of it any more; returns that of ordinary memory under another name. */
  #hide(): Uint8Array {
    const { buffer } = this.#bytes;
    if (this.#slab === undefined) return new Uint8Array(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }));
    this.#slab.memory.hide(this.#bytes);
    return this.#bytes;
  }
}

/** Whether so many bytes are worth to be lent. */
export function isWorthLending(bytes: number): boolean {
  return bytes >= LEAST_LENT_BYTES;
}

/** @throws EarshotError `INVALID_ARGUMENT` */
export function checkLoan(bytes: number): number {
  return checkNumber("the size of a loan", bytes);
}
