import { EarshotError } from "../errors.js";
import type { Inflow } from "./flow.js";
import { Pieces } from "./pieces.js";

/** Added to the length of the record that ends a direction. */
export const LAST_RECORD = 0x8000_0000;
const PREFIX_BYTES = 4;

/** What a reader of records is held to. */
export interface RecordLimits {
  /** Of one record. */
  readonly maxBytes: number;
  /** Where the pieces of records that are not whole yet are counted. @throws EarshotError `OVERLOADED` */
  readonly held?: { add(bytes: number): void } | undefined;
  /** What a record over the limit is answered with; default `MESSAGE_TOO_LARGE`. */
  readonly refuse?: ((text: string) => EarshotError) | undefined;
}

/** Records from one direction of an exchange. After `next` said true, the record is what `source`, `start`, `end` say. */
export class RecordReader {
  #in: Inflow;
  readonly #limits: RecordLimits;
  source: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Whether it is the last one: a reply. */
  isLast = false;
  /** The end of what was read of `source`. */
  #at = 0;
  /** Pieces of a record that is longer than what came at once. */
  readonly #pieces = new Pieces();

  /** @param rest what has come of it already */
  constructor(inflow: Inflow, limits: RecordLimits, rest?: Buffer) {
    this.#in = inflow;
    this.#limits = limits;
    if (rest !== undefined) this.source = rest;
  }

  /** True when there is a record; false when there is none yet. @throws EarshotError `MESSAGE_TOO_LARGE` */
  next(): boolean {
    for (;;) {
      if (this.#take()) return true;
      const chunk = this.#in.read();
      if (chunk === undefined) return false;
      this.#append(chunk);
    }
  }

  /** True when all was read and no more comes. */
  get isEnded(): boolean {
    return this.#in.isEnded && this.#rest() === 0 && this.#pieces.length === 0;
  }

  /** True when it ended in the middle of a record. */
  get isCutShort(): boolean {
    return this.#in.isEnded && this.#rest() + this.#pieces.length > 0;
  }

  /** Resolves when `next` is worth asking again. @throws EarshotError why nothing more comes */
  readable(): Promise<void> {
    return this.#in.readable();
  }

  /** Wants no more. */
  stop(): void {
    this.#at = this.source.length;
    this.#forget();
    this.#in.stop();
  }

  /** Goes on with another direction. What is left of this one is forgotten. */
  goOn(inflow: Inflow): void {
    this.#in = inflow;
    this.#at = this.source.length;
    this.isLast = false;
    this.#forget();
  }

  #rest(): number {
    return this.source.length - this.#at;
  }

  #take(): boolean {
    const { source } = this;
    const start = this.#at + PREFIX_BYTES;
    if (start > source.length) return false;
    const length = this.#lengthAt(source, this.#at);
    if (start + length > source.length) return false;
    this.isLast = (source[start - 1] as number) >= 0x80;
    this.start = start;
    this.end = start + length;
    this.#at = this.end;
    return true;
  }

  #lengthAt(source: Buffer, at: number): number {
    const prefix = source.readUInt32LE(at);
    const length = prefix >= LAST_RECORD ? prefix - LAST_RECORD : prefix;
    const { maxBytes, refuse } = this.#limits;
    if (length <= maxBytes) return length;
    const text = `Cannot read the stream: an item of ${length} bytes is over the limit of ${maxBytes} (maxMessageBytes)`;
    throw refuse?.(text) ?? new EarshotError("MESSAGE_TOO_LARGE", text, { op: "receive" });
  }

  /** Puts what came behind what is left, and copies no byte of a long record more than twice. */
  #append(chunk: Buffer): void {
    if (this.#rest() === 0 && this.#pieces.length === 0) {
      this.source = chunk;
      this.#at = 0;
      return;
    }
    if (this.#pieces.length === 0) {
      this.#hold(this.source.subarray(this.#at));
      this.source = Buffer.alloc(0);
      this.#at = 0;
    }
    this.#hold(chunk);
    if (this.#pieces.length < this.#neededBytes()) return;
    this.source = this.#pieces.join();
    this.#forget();
  }

  /** @throws EarshotError `OVERLOADED` */
  #hold(piece: Buffer): void {
    this.#pieces.add(piece);
    this.#limits.held?.add(piece.length);
  }

  #forget(): void {
    this.#limits.held?.add(-this.#pieces.length);
    this.#pieces.clear();
  }

  /** What the pieces must have before there is a record in them. */
  #neededBytes(): number {
    const { first, length } = this.#pieces;
    if (first === undefined || length < PREFIX_BYTES) return PREFIX_BYTES;
    return PREFIX_BYTES + this.#lengthAt(first.length < PREFIX_BYTES ? this.#pieces.join() : first, 0);
  }
}
