/** One limit for the several steps of a command. */
export class TimeLimit {
  readonly #endsAt: number;

  /** @param limitMs none or 0 for no limit; it begins now. */
  constructor(limitMs: number | undefined) {
    this.#endsAt = limitMs ? performance.now() + limitMs : Infinity;
  }

  /** What is left for the next step: at least a millisecond, for 0 would mean no limit. */
  get leftMs(): number {
    return Math.max(1, Math.round(this.#endsAt - performance.now()));
  }
}
