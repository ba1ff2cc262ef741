import type { Borrowing } from "./borrowing.js";
import type { Lending } from "./lending.js";

/** Memory that both sides of a connection see. */
export interface Slab {
  /** All of it, for this side's own use. Has no bytes from `release` on. */
  readonly bytes: Buffer;
  /**
   * The first bytes of it, for somebody to read and write, until `hide`; to one at a time.
   *
   * @param bytes one or more
   * @param onForgotten called, in a turn of its own, when nobody knows them any more, nor any view of their memory
   */
  show(bytes: number, onForgotten: () => void): Uint8Array;
  /** What was shown has no bytes from now on, nor has any other view of the same memory. */
  hide(shown: Uint8Array): void;
  /** This side lets it go: at once, or when what is shown is hidden or forgotten. */
  release(): void;
}

/** Who makes and opens slabs. None of these calls back into the session before it returns. */
export interface SlabHost {
  /** How much memory of the other side it has at a time. */
  readonly maxBytes: number;
  /** Whether it is faster to lend large messages that are somewhere else than to send them: they are copied to a slab then. */
  readonly isWorthCopying: boolean;
  /**
   * @param bytes a power of two
   * @returns the slab, and a descriptor by which the other side opens it: the caller's to send, or to `close`; or `undefined`
   * where there is no place for it
   */
  make(bytes: number): { readonly slab: Slab; readonly descriptor: number } | undefined;
  /** @param descriptor from now on the host's @throws EarshotError `PROTOCOL_VIOLATION` for what is no slab */
  open(descriptor: number): Slab;
  close(descriptor: number): void;
  /** There is something to say to the other side: a flush, please, also if the session rests. */
  wake(): void;
  /** Both sides take loans: from now on these are the connection's. */
  onAgreed(loans: Loans): void;
}

/** The slabs of a connection. */
export interface Loans {
  /** This side's. */
  readonly lending: Lending;
  /** The other side's. */
  readonly borrowing: Borrowing;
}
