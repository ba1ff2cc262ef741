/** A clock that stands still until it is told to go on. */
export class FakeClock {
  #now = 1_000;

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}
