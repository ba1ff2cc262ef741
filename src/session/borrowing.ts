import { BorrowedMessage, Message } from "../message.js";
import { violation } from "../wire/decode.js";
import { MAX_SLABS } from "../wire/frame.js";
import type { Lend } from "../wire/loan.js";
import type { Slab, SlabHost } from "./slab.js";

const NONE: readonly number[] = [];

interface OtherSlab {
  readonly number: number;
  readonly memory: Slab;
  /** Read once: the memory may change, its size cannot. */
  readonly sizeBytes: number;
  isLent: boolean;
}

/** A message that is in a slab of the other side's. */
export interface Lent {
  readonly exchange: number;
  readonly slab: OtherSlab;
  readonly bytes: number;
}

/** The slabs of the other side: which this side has, and in which of them is a message that it has not given back. */
export class Borrowing {
  /** What was lent last, until the frame comes that it belongs to. */
  announced: Lent | undefined;
  readonly #host: SlabHost;
  readonly #slabs = new Map<number, OtherSlab>();
  #usedBytes = 0;
  #returned: number[] = [];
  #isClosed = false;

  constructor(host: SlabHost) {
    this.#host = host;
  }

  /**
   * A message is lent.
   *
   * @param takeDescriptor takes out the one that came along
   * @throws EarshotError `PROTOCOL_VIOLATION`
   */
  announce(exchange: number, { slab: number, bytes }: Lend, descriptors: number, takeDescriptor: () => number): void {
    if (this.announced !== undefined) throw violation("a LEND behind a LEND");
    const known = this.#slabs.get(number);
    if ((known === undefined) !== descriptors > 0)
      throw violation(`a LEND ${known === undefined ? "without" : "with"} a descriptor, of slab ${number}`);
    if (known?.isLent) throw violation(`a LEND of slab ${number}, which is lent`);
    const slab = known ?? this.#open(number, takeDescriptor);
    if (bytes < 1 || bytes > slab.sizeBytes) throw violation(`a LEND of ${bytes} bytes, of ${slab.sizeBytes}`);
    slab.isLent = true;
    this.announced = { exchange, slab, bytes };
  }

  /** A message or reply begins or goes on. @throws EarshotError `PROTOCOL_VIOLATION` if another was announced */
  assertExpected(exchange: number): void {
    if (this.announced !== undefined && this.announced.exchange !== exchange)
      throw violation(`a LEND for exchange ${this.announced.exchange} before a frame of ${exchange}`);
  }

  /** The frame has come that it belongs to, and nobody wanted it. */
  dropAnnounced(): void {
    const { announced } = this;
    this.announced = undefined;
    if (announced !== undefined) this.giveBack(announced.slab);
  }

  /** What was announced, copied once. */
  copy(): Message {
    const { slab, bytes } = this.#claim();
    const own = Buffer.allocUnsafeSlow(bytes);
    slab.memory.bytes.copy(own, 0, 0, bytes);
    this.giveBack(slab);
    return new Message(own, 0, bytes);
  }

  /** What was announced, where it is, until it is disposed of or forgotten. */
  borrow(): Message {
    const { slab, bytes } = this.#claim();
    const shown = this.#show(slab, bytes);
    const source = Buffer.from(shown.buffer, shown.byteOffset, bytes);
    return new BorrowedMessage(source, () => {
      slab.memory.hide(shown);
      this.giveBack(slab);
    });
  }

  /** The other side will not use one any more. @throws EarshotError `PROTOCOL_VIOLATION` */
  onRetire(number: number): void {
    const slab = this.#slabs.get(number);
    if (slab === undefined || slab.isLent)
      throw violation(`a RETIRE of slab ${number}, which is ${slab === undefined ? "not known" : "lent"}`);
    this.#drop(slab);
  }

  /** The other side may use it again. */
  giveBack(slab: OtherSlab): void {
    slab.isLent = false;
    if (this.#isClosed) this.#drop(slab);
    else {
      this.#returned.push(slab.number);
      this.#host.wake();
    }
  }

  /** Those that were given back, and the other side has not been told. */
  takeReturned(): readonly number[] {
    return this.#returned.length === 0 ? NONE : this.#returned.splice(0);
  }

  /** The connection is gone: what nobody reads goes now, the rest when it is given back. */
  close(): void {
    this.#isClosed = true;
    if (this.announced !== undefined) this.announced.slab.isLent = false;
    this.announced = undefined;
    for (const slab of this.#slabs.values()) if (!slab.isLent) this.#drop(slab);
  }

  /** In a function of its own: what shares a scope with `shown` would keep it from being forgotten. */
  #show(slab: OtherSlab, bytes: number): Uint8Array {
    return slab.memory.show(bytes, () => this.giveBack(slab));
  }

  #claim(): Lent {
    const { announced } = this;
    if (announced === undefined) throw new Error("nothing was announced");
    this.announced = undefined;
    return announced;
  }

  #open(number: number, takeDescriptor: () => number): OtherSlab {
    if (this.#slabs.size >= MAX_SLABS) throw violation(`more than ${MAX_SLABS} slabs`);
    const memory = this.#host.open(takeDescriptor());
    const sizeBytes = memory.bytes.length;
    if (this.#usedBytes + sizeBytes > this.#host.maxBytes) {
      memory.release();
      throw violation(`slabs of more than ${this.#host.maxBytes} bytes`);
    }
    const slab = { number, memory, sizeBytes, isLent: false };
    this.#slabs.set(number, slab);
    this.#usedBytes += sizeBytes;
    return slab;
  }

  #drop(slab: OtherSlab): void {
    this.#slabs.delete(slab.number);
    this.#usedBytes -= slab.sizeBytes;
    slab.memory.release();
  }
}
