import { decodeMeta, type Meta } from "../wire/meta.js";

/** Collects the bytes of a message's id and headers as they come. */
export class MetaReader {
  readonly #bytes: Buffer;
  #length = 0;

  /** @param length how many there are; within the limit */
  constructor(length: number) {
    this.#bytes = Buffer.allocUnsafe(length);
  }

  /** Takes what belongs to them; returns how many bytes that were. */
  take(bytes: Buffer, start: number, end: number): number {
    const taken = Math.min(this.#bytes.length - this.#length, end - start);
    bytes.copy(this.#bytes, this.#length, start, start + taken);
    this.#length += taken;
    return taken;
  }

  /** `undefined` until all of it has come. @throws EarshotError `PROTOCOL_VIOLATION` */
  get meta(): Meta | undefined {
    return this.#length < this.#bytes.length ? undefined : decodeMeta(this.#bytes);
  }
}
