/** A piece takes some hundred bytes of memory besides its own: so many smaller ones in a row are put together. */
const SMALL_BYTES = 1_024;
const MOST_SMALL = 64;

/** Bytes that come piece by piece, until all of them are wanted in one. */
export class Pieces {
  /** How many bytes there are. */
  length = 0;
  #list: Buffer[] = [];
  /** How many small ones there are at the end. */
  #small = 0;

  get first(): Buffer | undefined {
    return this.#list[0];
  }

  /** @param piece must stay unchanged from now on */
  add(piece: Buffer): void {
    this.length += piece.length;
    this.#list.push(piece);
    if (piece.length >= SMALL_BYTES) this.#small = 0;
    else if (++this.#small === MOST_SMALL) {
      this.#list.push(Buffer.concat(this.#list.splice(-MOST_SMALL)));
      this.#small = 0;
    }
  }

  /** All of them. Copies nothing that was joined before, unless more has come. */
  join(): Buffer {
    const [first] = this.#list;
    if (first !== undefined && this.#list.length === 1) return first;
    const whole = Buffer.concat(this.#list, this.length);
    this.#list = [whole];
    this.#small = 0;
    return whole;
  }

  clear(): void {
    this.length = 0;
    this.#list = [];
    this.#small = 0;
  }
}
