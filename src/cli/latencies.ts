/** Neighbouring buckets are this much apart: what is told of a latency is at most half of it off. */
const STEP = 1.02;
const PER_UNIT = 1 / Math.log(STEP);
/** A nanosecond to an hour. */
const BUCKETS = Math.ceil(Math.log(3.6e12) * PER_UNIT) + 1;

/** How often each latency was there, in the same memory however many there are. Times are in microseconds. */
export class Latencies {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = 0;

  add(us: number): void {
    const index = us <= 0.001 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log(us * 1_000) * PER_UNIT));
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    if (us < this.#minUs) this.#minUs = us;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  get count(): number {
    return this.#count;
  }

  /** @param part 0 for the shortest, 0.5 for the median, 1 for the longest @returns NaN when there are none */
  quantile(part: number): number {
    if (this.#count === 0) return Number.NaN;
    if (part <= 0) return this.#minUs;
    if (part >= 1) return this.#maxUs;
    let left = Math.ceil(this.#count * part);
    for (const [middleUs, count] of this.buckets()) {
      left -= count;
      if (left <= 0) return middleUs;
    }
    return this.#maxUs;
  }

  /** Those that are not empty, from the shortest: the middle of each, and how many are in it. */
  *buckets(): Generator<readonly [us: number, count: number]> {
    for (const [index, count] of this.#counts.entries()) {
      if (count === 0) continue;
      const middleUs = STEP ** (index + 0.5) / 1_000;
      yield [Math.min(this.#maxUs, Math.max(this.#minUs, middleUs)), count];
    }
  }
}
