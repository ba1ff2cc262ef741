/** How long the other side may take to close its direction after this side has closed its own. */
const LINGER_MS = 2_000;

/** The end of a connection of which this side has ended its direction. */
export class Linger {
  /** When the other side has had its time; `Infinity` while it need not do anything. */
  deadline = Infinity;

  /** @param isBlocked whether something has not left yet */
  constructor(now: number, isBlocked: boolean) {
    if (!isBlocked) this.drained(now);
  }

  /** All that waited is out. */
  drained(now: number): void {
    this.deadline = now + LINGER_MS;
  }
}
