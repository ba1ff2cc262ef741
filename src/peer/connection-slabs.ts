import type { Loans, Slab, SlabHost } from "../session/slab.js";
import type { Slabs } from "../transport/slabs.js";
import type { LaneSpace } from "./lane.js";
import { isWorthLending, Loan } from "./loan.js";
import type { Logger } from "./options.js";

/** Slabs are let go when none was needed for so long, or for up to twice that. */
const IDLE_MS = 5_000;

/** What the slabs of all connections of a server or client have in common. */
export interface SlabSetup {
  readonly slabs: Slabs;
  /** Of this side's own. */
  readonly space: LaneSpace;
  /** Of the other side's, on a connection. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

/** The connection, as its slabs need it. */
interface SlabOwner {
  /** Asks for a flush, and wakes one that rests. */
  readonly session: unknown;
}

/** Memory in which a connection's messages are lent, in both directions. */
export class ConnectionSlabs implements SlabHost {
  readonly #setup: SlabSetup;
  readonly #owner: SlabOwner;
  readonly #lane: { readonly isShared: boolean };
  #loans: Loans | undefined;
  /** How many were taken until then. */
  #lookedAt = 0;
  #taken = 0;
  #isClosed = false;

  constructor(setup: SlabSetup, owner: SlabOwner, lane: { readonly isShared: boolean }) {
    this.#setup = setup;
    this.#lane = lane;
    this.#owner = owner;
  }

  get maxBytes(): number {
    return this.#setup.maxBytes;
  }

  get isWorthCopying(): boolean {
    return this.#lane.isShared;
  }

  /** When `leave` wants to be called. */
  get deadline(): number {
    return this.#loans?.lending.hasFree === true ? this.#lookedAt + IDLE_MS : Infinity;
  }

  /** Some may not have been needed for long. */
  leave(now: number): void {
    const lending = this.#loans?.lending;
    this.#lookedAt = now;
    if (lending?.taken === this.#taken) lending.retireFree();
    else this.#taken = lending?.taken ?? 0;
  }

  /** As `loanOf`. */
  loan(bytes: number): Loan {
    return new Loan(bytes, isWorthLending(bytes) ? this.#loans?.lending.take(bytes) : undefined);
  }

  /** The connection is closed. */
  closed(): void {
    this.#isClosed = true;
    this.#loans?.lending.close();
    this.#loans?.borrowing.close();
  }

  onAgreed(loans: Loans): void {
    this.#loans = loans;
  }

  make(bytes: number): { readonly slab: Slab; readonly descriptor: number } | undefined {
    const { slabs, space, logger } = this.#setup;
    if (!space.take(bytes)) return undefined;
    try {
      return slabs.make(bytes, () => space.give(bytes));
    } catch (error) {
      space.give(bytes);
      logger.debug({ error }, "no memory to lend; messages are sent instead");
      return undefined;
    }
  }

  open(descriptor: number): Slab {
    return this.#setup.slabs.open(descriptor);
  }

  close(descriptor: number): void {
    this.#setup.slabs.close(descriptor);
  }

  wake(): void {
    if (!this.#isClosed) void this.#owner.session;
  }
}

/** What of a lane loans need. */
export interface LoanLane {
  readonly slabs: ConnectionSlabs | undefined;
}

/** Memory for a message: the other side's too, where it can be. */
export function loanOf(lane: LoanLane | undefined, bytes: number): Loan {
  return lane?.slabs?.loan(bytes) ?? new Loan(bytes, undefined);
}
