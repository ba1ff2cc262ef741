import type { Bell } from "./bell.js";
import type { RingReader } from "./ring.js";
import { type Link, READ_BYTES } from "./shared-memory.js";
import { violation } from "./violation.js";

/** With descriptors comes the position, i32 LE, of the byte that they belong to. */
export const POSITION_BYTES = 4;

/** Where descriptors come in. */
export interface DescriptorSource {
  /** Fills the buffer with what came with them; `undefined` if nothing did. */
  readRecord(into: Buffer): readonly number[] | undefined;
  closeDescriptors(descriptors: readonly number[]): void;
}

interface Arrival {
  readonly position: number;
  readonly descriptors: readonly number[];
}

/** What comes through a ring, piece by piece, and the descriptors that come beside it. */
export class RingInput {
  /** Of the piece that was read last. */
  descriptors: readonly number[] | undefined;
  readonly #reader: RingReader;
  readonly #bell: Bell;
  readonly #source: DescriptorSource;
  readonly #bytes: Buffer;
  readonly #privateStart: number;
  readonly #record = Buffer.alloc(POSITION_BYTES);
  #view: Buffer | undefined;
  /** The next ones, once they are known. */
  #arrival: Arrival | undefined;
  #arrivals = 0;

  constructor({ reader, bytes, privateStart }: Link, bell: Bell, source: DescriptorSource) {
    this.#reader = reader;
    this.#bell = bell;
    this.#source = source;
    this.#bytes = bytes;
    this.#privateStart = privateStart;
  }

  /** This side reads from now on. */
  begin(): void {
    if (this.#reader.begin()) this.#bell.ring();
  }

  /** @throws EarshotError `PROTOCOL_VIOLATION` */
  get isEmpty(): boolean {
    return this.#reader.available === 0;
  }

  /** As `RingReader.mayHaveMore`. */
  get mayHaveMore(): boolean {
    return this.#reader.mayHaveMore;
  }

  /** Whether nothing more comes, if it is empty after this. */
  get hasEnded(): boolean {
    return this.#reader.hasEnded;
  }

  /** As `RingReader.sleep`. */
  sleep(): boolean {
    return this.#reader.sleep();
  }

  stayAwake(): void {
    this.#reader.stayAwake();
  }

  /**
   * The next piece, in this buffer or in memory that the next read overwrites; `undefined` when there is none.
   *
   * @throws EarshotError `PROTOCOL_VIOLATION`
   */
  read(into: Buffer | undefined): Buffer | undefined {
    const reader = this.#reader;
    const { available } = reader;
    if (available === 0) return undefined;
    // Those that are there already come at their byte, whatever the other side says of them by now.
    const hasNone = this.#arrival === undefined && reader.descriptors === this.#arrivals;
    this.descriptors = hasNone ? undefined : this.#nextDescriptors();
    let most = Math.min(available, into?.length ?? READ_BYTES);
    if (this.#arrival !== undefined) most = Math.min(most, (this.#arrival.position - reader.position) >>> 0);
    if (reader.read(most, into ?? this.#privateStart)) this.#bell.ring();
    if (into !== undefined) return into.length === most ? into : into.subarray(0, most);
    // Small messages of one size need not make a view for each.
    if (this.#view?.length !== most) this.#view = this.#bytes.subarray(this.#privateStart, this.#privateStart + most);
    return this.#view;
  }

  /** Closes what nobody gets any more. */
  drop(): void {
    if (this.#arrival !== undefined) this.#source.closeDescriptors(this.#arrival.descriptors);
    this.#arrival = undefined;
  }

  /** Those of the next byte, if it has some. */
  #nextDescriptors(): readonly number[] | undefined {
    this.#arrival ??= this.#receive();
    const { position, descriptors } = this.#arrival;
    if (position !== this.#reader.position) return undefined;
    this.#arrivals = (this.#arrivals + 1) | 0;
    // No piece goes beyond the next ones.
    this.#arrival = this.#reader.descriptors === this.#arrivals ? undefined : this.#receive();
    return descriptors;
  }

  #receive(): Arrival {
    const descriptors = this.#source.readRecord(this.#record);
    if (descriptors === undefined) throw violation("descriptors that were announced, and did not come");
    const position = this.#record.readInt32LE(0);
    // They are sent before their byte can be read: it is the next that comes, or there already.
    if ((position - this.#reader.position) >>> 0 <= this.#reader.available) return { position, descriptors };
    this.#source.closeDescriptors(descriptors);
    throw violation("descriptors that belong to no byte");
  }
}
