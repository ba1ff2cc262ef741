import { violation } from "./violation.js";

/**
 * A stream of bytes in memory that two processes share: one writes, one reads, neither waits. Here is all the arithmetic, and
 * no system call. The other side may write anything anywhere at any time, so: each of its numbers is read once, checked,
 * and then used; what this side decides by it keeps itself; and no position leaves the ring.
 *
 * Positions count all bytes that ever went through, modulo 2^32; a position's place is its remainder by the size, a power of
 * two. Each side has a line of words of its own, so that the two processors do not take them from each other:
 *
 * | word | written by | |
 * | --- | --- | --- |
 * | 0 HEAD | writer | position behind the last byte that may be read |
 * | 1 ENDED | writer | 1: no more comes |
 * | 2 WAITING | both | 1: the writer has found no room, or no reader, and wants to be woken; the reader takes it back when it wakes it |
 * | 3 DESCRIPTORS | writer | how often descriptors were sent beside the bytes |
 * | 32 TAIL | reader | position behind the last byte that was read |
 * | 33 SLEEP | both | 0: nobody has read yet; 1 ASLEEP: the reader wants to be woken; 2 AWAKE. The writer sets 2 when it wakes it |
 *
 * ARCHITECTURE.md, "Nobody sleeps through", says why no wake-up is lost, and `test/transport/ring-model.test.ts` tries every order
 * of their steps. It needs a total order of all of them, which is what `Atomics` has, also on memory that is no
 * SharedArrayBuffer.
 */
export const HEAD = 0;
const ENDED = 1;
const WAITING = 2;
const DESCRIPTORS = 3;
export const TAIL = 32;
const SLEEP = 33;

const ASLEEP = 1;
const AWAKE = 2;

/** What a ring needs besides its bytes. */
export const CONTROL_BYTES = 256;

/** Where a ring is. */
export interface RingMemory {
  /** The words above, zero at first. */
  readonly control: Int32Array;
  /** All the memory, of which the ring is a part. */
  readonly bytes: Buffer;
  /** Where it begins, and how many bytes it has: a power of two, at most 2^30. */
  readonly start: number;
  readonly size: number;
}

/** The end that writes. */
export class RingWriter {
  readonly #control: Int32Array;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #size: number;
  #head = 0;
  #tail = 0;
  #descriptors = 0;

  constructor({ control, bytes, start, size }: RingMemory) {
    this.#control = control;
    this.#bytes = bytes;
    this.#start = start;
    this.#size = size;
  }

  /** Where the next byte goes, as a position. */
  get position(): number {
    return this.#head;
  }

  /** Whether the other side has begun to read. */
  get hasReader(): boolean {
    return Atomics.load(this.#control, SLEEP) !== 0;
  }

  /** Whether it is at it now. */
  get isReaderAwake(): boolean {
    return Atomics.load(this.#control, SLEEP) === AWAKE;
  }

  /** Whether so much is free that to go on is worth it. @throws EarshotError `PROTOCOL_VIOLATION` */
  get hasRoom(): boolean {
    return this.unread <= this.#size - this.#size / 4;
  }

  /** Bytes that the other side has not read. @throws EarshotError `PROTOCOL_VIOLATION` */
  get unread(): number {
    const tail = Atomics.load(this.#control, TAIL);
    const used = (this.#head - tail) >>> 0;
    // It reads what there was before, and no more than there is.
    if (used > (this.#head - this.#tail) >>> 0) throw violation("a ring whose reader has read what was not there");
    this.#tail = tail;
    return used;
  }

  /**
   * Copies as many bytes as there is room for; they can be read after `publish`.
   *
   * @returns how many
   * @throws EarshotError `PROTOCOL_VIOLATION`
   */
  put(bytes: Uint8Array, from = 0): number {
    const wanted = bytes.length - from;
    let room = this.#size - ((this.#head - this.#tail) >>> 0);
    if (room < wanted) room = this.#size - this.unread;
    const count = Math.min(room, wanted);
    const place = this.#head & (this.#size - 1);
    const first = Math.min(count, this.#size - place);
    if (first === bytes.length) this.#bytes.set(bytes, this.#start + place);
    else {
      this.#bytes.set(bytes.subarray(from, from + first), this.#start + place);
      if (count > first) this.#bytes.set(bytes.subarray(from + first, from + count), this.#start);
    }
    this.#head = (this.#head + count) | 0;
    return count;
  }

  /** What was put can be read. @returns whether the reader sleeps, and must be woken now */
  publish(): boolean {
    Atomics.store(this.#control, HEAD, this.#head);
    return this.#mustWake();
  }

  /** Nothing follows what was published. @returns as `publish` */
  end(): boolean {
    Atomics.store(this.#control, ENDED, 1);
    return this.#mustWake();
  }

  /** Descriptors are on their way, for the byte that comes next. Before it is published. */
  announceDescriptors(): void {
    this.#descriptors = (this.#descriptors + 1) | 0;
    Atomics.store(this.#control, DESCRIPTORS, this.#descriptors);
  }

  /**
   * Asks to be woken when there is room.
   *
   * @returns false if there is some after all
   * @throws EarshotError `PROTOCOL_VIOLATION`
   */
  waitForRoom(): boolean {
    Atomics.store(this.#control, WAITING, 1);
    if (this.unread === this.#size) return true;
    Atomics.store(this.#control, WAITING, 0);
    return false;
  }

  /** The same, for the other side to begin to read. */
  waitForReader(): boolean {
    Atomics.store(this.#control, WAITING, 1);
    if (!this.hasReader) return true;
    Atomics.store(this.#control, WAITING, 0);
    return false;
  }

  #mustWake(): boolean {
    if (Atomics.load(this.#control, SLEEP) !== ASLEEP) return false;
    return Atomics.compareExchange(this.#control, SLEEP, ASLEEP, AWAKE) === ASLEEP;
  }
}

/** The end that reads. */
export class RingReader {
  readonly #control: Int32Array;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #size: number;
  #tail = 0;
  #head = 0;

  constructor({ control, bytes, start, size }: RingMemory) {
    this.#control = control;
    this.#bytes = bytes;
    this.#start = start;
    this.#size = size;
  }

  /** From now on it looks by itself. @returns whether the writer waits for that, and must be woken now */
  begin(): boolean {
    this.stayAwake();
    return this.#mustWake();
  }

  /** The position of the next byte. */
  get position(): number {
    return this.#tail;
  }

  /** Bytes that can be read. @throws EarshotError `PROTOCOL_VIOLATION` */
  get available(): number {
    const head = Atomics.load(this.#control, HEAD);
    const used = (head - this.#tail) >>> 0;
    if (used > this.#size || used < (this.#head - this.#tail) >>> 0)
      throw violation("a ring whose writer is where it cannot be");
    this.#head = head;
    return used;
  }

  /** Whether `available` is worth asking: no promise either way, and free. */
  get mayHaveMore(): boolean {
    return this.#control[HEAD] !== this.#tail;
  }

  /** How often descriptors were announced; know `available` first. */
  get descriptors(): number {
    return Atomics.load(this.#control, DESCRIPTORS);
  }

  /** Nothing follows what is available, if that is asked after this. */
  get hasEnded(): boolean {
    return Atomics.load(this.#control, ENDED) !== 0;
  }

  /**
   * Takes out bytes of which `available` has told.
   *
   * @param target where to, in the memory that the ring is in (behind it) or in a buffer of its own
   * @returns whether the writer waits for room, and must be woken now
   */
  read(count: number, target: number | Buffer): boolean {
    const place = this.#tail & (this.#size - 1);
    const first = Math.min(count, this.#size - place);
    const at = this.#start + place;
    if (typeof target === "number") {
      // No view is made for it, which would cost more than the bytes of a small message.
      this.#bytes.copyWithin(target, at, at + first);
      if (count > first) this.#bytes.copyWithin(target + first, this.#start, this.#start + count - first);
    } else {
      this.#bytes.copy(target, 0, at, at + first);
      if (count > first) this.#bytes.copy(target, first, this.#start, this.#start + count - first);
    }
    this.#tail = (this.#tail + count) | 0;
    Atomics.store(this.#control, TAIL, this.#tail);
    return this.#mustWake();
  }

  /** @returns false if there is something to read after all, or its end @throws EarshotError `PROTOCOL_VIOLATION` */
  sleep(): boolean {
    Atomics.store(this.#control, SLEEP, ASLEEP);
    if (this.available === 0 && !this.hasEnded) return true;
    this.stayAwake();
    return false;
  }

  /** It is going to look by itself. */
  stayAwake(): void {
    Atomics.store(this.#control, SLEEP, AWAKE);
  }

  /** Once for half a ring: a writer that is woken for each message has room for one. */
  #mustWake(): boolean {
    if (Atomics.load(this.#control, WAITING) === 0) return false;
    if ((this.#head - this.#tail) >>> 0 > this.#size / 2) return false;
    return Atomics.exchange(this.#control, WAITING, 0) !== 0;
  }
}
