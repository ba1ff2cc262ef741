import { performance } from "node:perf_hooks";
import { OVER } from "../native/binding.js";
import type { Bell } from "./bell.js";
import type { Poller } from "./poller.js";
import { Run, type Runner } from "./run.js";
import { Spin } from "./spin.js";

/** How a ring is looked at: first among microtasks, then by C, then not until its bell rings. */
export class RingLook {
  readonly #bell: Bell;
  readonly #spin: Spin;
  readonly #run: Run;
  readonly #poller: Pick<Poller, "spinBudget" | "isAlone">;

  /** @param spinUs for one look of C's; 0 for none of any kind */
  constructor(poller: Pick<Poller, "spinBudget" | "isAlone">, spinUs: number, bell: Bell, runner: Runner) {
    this.#bell = bell;
    this.#poller = poller;
    this.#spin = new Spin(poller.spinBudget, spinUs, now);
    this.#run = new Run(runner);
  }

  /** As `Transport.microtasksSince`. */
  get microtasksSince(): number | undefined {
    return this.#run.since;
  }

  /** How long C is to look, in microseconds; 0 for not at all. @param events as of `Pollable.onReady` */
  next(events: number, idleUs: number): number {
    const { hasRung } = this.#bell;
    this.#bell.hasRung = false;
    if (events === OVER) return hasRung ? this.#spin.again() : 0;
    const us = this.#spin.next(idleUs);
    // On one processor nothing comes before it is given away, as C does.
    if (us > 0 && !this.#poller.isAlone) this.#run.begin();
    return us;
  }

  /** Something was found among the microtasks. */
  found(): void {
    this.#spin.found();
  }
}

const now = () => performance.now();
