/** Bytes without end that are cheap to make and to check, so that the machine has time for what is tested. */

/** A prime: no piece of any usual size comes to the same place again, so that one lost, doubled or out of order shows. */
const PERIOD = 1_048_573;
/** The longest piece that is looked at, or made, at once. */
const LONGEST_BYTES = 262_144;

function makeBlock(): Buffer {
  const block = Buffer.allocUnsafe(PERIOD + LONGEST_BYTES);
  let state = 1;
  for (let index = 0; index < PERIOD; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    block[index] = state >>> 24;
  }
  block.copy(block, PERIOD, 0, LONGEST_BYTES);
  return block;
}

const block = makeBlock();

/** The first `total` bytes, in pieces. */
export async function* endless(total: number, pieceBytes = 65_536): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < total; offset += pieceBytes) {
    const start = offset % PERIOD;
    yield block.subarray(start, start + Math.min(pieceBytes, total - offset));
  }
}

/** Takes pieces as they come, and knows whether they are the first bytes of it, all of them, each once. */
export class EndlessCheck {
  bytes = 0;
  /** Where the first wrong piece begins; -1 if there is none. */
  wrongAt = -1;

  add(piece: Uint8Array): void {
    for (let from = 0; from < piece.length; from += LONGEST_BYTES) {
      const part = piece.subarray(from, from + LONGEST_BYTES);
      const start = this.bytes % PERIOD;
      if (this.wrongAt < 0 && block.compare(part, 0, part.length, start, start + part.length) !== 0)
        this.wrongAt = this.bytes;
      this.bytes += part.length;
    }
  }
}
