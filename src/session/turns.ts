import type { Outgoing } from "./session.js";

/**
 * Large bodies take turns of this size. Most are finished in one: that is sooner for the first of them and later for
 * none, and the receiver has fewer half-finished ones to keep.
 */
const TURN_BYTES = 1_048_576;

/** A large body or a stream, from before its first piece to its last. */
export interface Turn<T> {
  readonly item: T;
  /** From its first piece on. */
  exchange: number | undefined;
  /** How much of it may be out before the next has its turn. */
  end: number;
}

/** How a turn ended: the item is out, has more to send, or has to wait until it is woken. */
export type TurnEnd = "done" | "more" | "dormant";

/** Large bodies and streams, one after the other. */
export class Turns<T extends Outgoing> {
  #active: Turn<T>[] = [];
  /** Those that have begun and have nothing to send now, or may not. */
  #dormant: Map<T, Turn<T>> | undefined;

  get isEmpty(): boolean {
    return this.#active.length === 0;
  }

  /** Whose turn it is. */
  get next(): Turn<T> | undefined {
    return this.#active[0];
  }

  /** What has not begun. */
  get waiting(): T[] {
    return this.#active.filter(({ exchange }) => exchange === undefined).map(({ item }) => item);
  }

  push(item: T): void {
    this.#active.push({ item, exchange: undefined, end: lengthOf(item) });
  }

  /** The turn of the first has brought something out, or nothing. */
  advance(turn: Turn<T>, end: TurnEnd): void {
    if (end === "more" && turn.item.sentBytes < turn.end) return;
    this.#active.shift();
    if (end === "done") return;
    turn.end = turn.item.sentBytes + lengthOf(turn.item);
    if (end === "more") this.#active.push(turn);
    else {
      this.#dormant ??= new Map();
      this.#dormant.set(turn.item, turn);
    }
  }

  /** There may be something to send of an item that had to wait. */
  wake(item: T): void {
    const turn = this.#dormant?.get(item);
    if (turn === undefined) return;
    this.#dormant?.delete(item);
    this.#active.push(turn);
  }

  /** Returns whether it was there. */
  drop(item: T): boolean {
    if (this.#dormant?.delete(item)) return true;
    const index = this.#active.findIndex((turn) => turn.item === item);
    if (index >= 0) this.#active.splice(index, 1);
    return index >= 0;
  }
}

/** A stream has no end that would be sooner for it: each has a piece at a time. */
function lengthOf({ outgoing }: Outgoing): number {
  return outgoing === undefined ? TURN_BYTES : 1;
}
