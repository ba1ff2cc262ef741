import { violation } from "../wire/decode.js";
import { MAX_SLAB_BYTES, MAX_SLABS, MIN_SLAB_BYTES } from "../wire/frame.js";
import type { Lender } from "./session.js";
import type { Slab, SlabHost } from "./slab.js";

/** Smaller messages of this side's are sent as they are: to copy them twice costs less than two frames and an answer. */
export const LEAST_COPIED_BYTES = 262_144;
/** Larger ones too: everything else would wait while they are copied at one go. */
export const MOST_COPIED_BYTES = 8_388_608;

const NONE: readonly number[] = [];

/** So many are away at most when another is copied: with more, memory is not in the processor's cache when it is needed. */
const MOST_COPIED = 16;

/** A slab of this side's. */
export class OwnSlab implements Lender {
  readonly number: number;
  readonly memory: Slab;
  /** Until it goes to the other side, with the first message that is lent. */
  descriptor: number | undefined;
  /** `held`: by who fills it, or with a message that has not begun. `gone`: it is not used any more. */
  state: "free" | "held" | "lent" | "gone" = "held";
  readonly #lending: Lending;

  constructor(lending: Lending, number: number, memory: Slab, descriptor: number) {
    this.#lending = lending;
    this.number = number;
    this.memory = memory;
    this.descriptor = descriptor;
  }

  get slab(): OwnSlab {
    return this;
  }

  /** Whether it is of this connection. */
  isOf(lending: Lending | undefined): boolean {
    return this.#lending === lending;
  }

  /** As `Slab.show`; forgotten, it is free again. */
  show(bytes: number): Uint8Array {
    return this.memory.show(bytes, () => this.release());
  }

  /** It goes to the other side with a message; returns the descriptors that go along. */
  lend(): readonly number[] {
    const { descriptor } = this;
    this.state = "lent";
    this.descriptor = undefined;
    return descriptor === undefined ? NONE : [descriptor];
  }

  /** Nobody holds it any more, unless it is lent by now. */
  release(): void {
    if (this.state === "held") this.#lending.free(this);
  }
}

/** The slabs of this side: which are free, and which the other side has not given back. */
export class Lending {
  /** How often one was taken. */
  taken = 0;
  readonly #host: SlabHost;
  readonly #maxBytes: number;
  readonly #slabs = new Map<number, OwnSlab>();
  /** The one that was used last is taken first: it is warm. */
  readonly #free: OwnSlab[] = [];
  #usedBytes = 0;
  #lastNumber = 0;
  #retired: number[] = [];
  #isClosed = false;

  /** @param maxBytes how much of this side's memory the other side takes */
  constructor(host: SlabHost, maxBytes: number) {
    this.#host = host;
    this.#maxBytes = maxBytes;
  }

  /** Whether there is one that nobody needs now. */
  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /** Whether a message that is somewhere else is to be copied and lent. */
  isWorthCopying(bytes: number): boolean {
    if (bytes < LEAST_COPIED_BYTES || bytes > MOST_COPIED_BYTES || !this.#host.isWorthCopying) return false;
    return this.#slabs.size - this.#free.length < MOST_COPIED;
  }

  /** A slab of at least so many bytes, held; `undefined` when there is no place for it. */
  take(bytes: number): OwnSlab | undefined {
    if (bytes > MAX_SLAB_BYTES || this.#isClosed) return undefined;
    this.taken++;
    const size = Math.max(MIN_SLAB_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
    const found =
      this.#takeFree((length) => length === size) ?? this.#make(size) ?? this.#takeFree((length) => length > size);
    if (found !== undefined || !this.hasFree) return found;
    // Those that are free are too small, and take the place of one that is not.
    this.retireFree();
    return this.#make(size);
  }

  /** @param own one that is held */
  free(own: OwnSlab): void {
    if (this.#isClosed) this.#drop(own);
    else {
      own.state = "free";
      this.#free.push(own);
    }
  }

  /** The other side gives one back. @throws EarshotError `PROTOCOL_VIOLATION` */
  onReturn(number: number): void {
    const own = this.#slabs.get(number);
    if (own?.state !== "lent") throw violation(`a RETURN of slab ${number}, which is not lent`);
    this.free(own);
  }

  /** Nobody has needed the free ones for long, or something else needs their place. */
  retireFree(): void {
    for (const own of this.#free.splice(0)) {
      if (own.descriptor === undefined) this.#retired.push(own.number);
      this.#drop(own);
    }
    if (this.#retired.length > 0) this.#host.wake();
  }

  /** Those that the other side can let go, and has not been told. */
  takeRetired(): readonly number[] {
    return this.#retired.length === 0 ? NONE : this.#retired.splice(0);
  }

  /** The connection is gone: what nobody holds goes now, the rest when it is freed. */
  close(): void {
    this.#isClosed = true;
    for (const own of this.#slabs.values()) if (own.state !== "held") this.#drop(own);
    this.#free.length = 0;
  }

  #takeFree(suits: (bytes: number) => boolean): OwnSlab | undefined {
    const index = this.#free.findLastIndex(({ memory }) => suits(memory.bytes.length));
    const [found] = index < 0 ? [] : this.#free.splice(index, 1);
    if (found !== undefined) found.state = "held";
    return found;
  }

  #make(size: number): OwnSlab | undefined {
    if (this.#slabs.size >= MAX_SLABS || this.#usedBytes + size > this.#maxBytes) return undefined;
    const made = this.#host.make(size);
    if (made === undefined) return undefined;
    const own = new OwnSlab(this, ++this.#lastNumber, made.slab, made.descriptor);
    this.#slabs.set(own.number, own);
    this.#usedBytes += size;
    return own;
  }

  #drop(own: OwnSlab): void {
    own.state = "gone";
    this.#slabs.delete(own.number);
    this.#usedBytes -= own.memory.bytes.length;
    if (own.descriptor !== undefined) this.#host.close(own.descriptor);
    own.descriptor = undefined;
    own.memory.release();
  }
}
