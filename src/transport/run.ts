import { performance } from "node:perf_hooks";

/** So often is looked before other microtasks have their turn: a tenth of a microsecond. */
const LOOKS = 64;
/** After so many rounds in vain, some microseconds, the thread looks on where others can have the processor meanwhile. */
const MOST_IN_VAIN = 48;
/** Timers, sockets and `process.nextTick` have their turn only when no microtask is left. */
const MOST_MS = 0.1;
const ROUNDS_FOR_CLOCK = 16;

const NOW = Promise.resolve();

/** What a run is about. */
export interface Runner {
  /** Whether there is something to take. */
  readonly hasNews: boolean;
  /** Takes it. Returns false when there is nothing to look for any more. */
  take(): boolean;
  /** Whoever waited for the end of a turn has waited long enough. */
  endTurn(): void;
  /** Something was thrown on the way. */
  fail(error: unknown): void;
}

/**
 * Looks for what comes next from among the microtasks of a turn. What is found by C costs a call into JavaScript, with all that
 * Node does around one; in a conversation whose answers take a microsecond, that is a third of it. A run is short, so that
 * nobody waits long for its end, and its rounds are microtasks themselves, so that all others have their turn between them.
 */
export class Run {
  /** When it began, in milliseconds; meanwhile the end of the turn is when `endTurn` is called. `undefined`: there is none. */
  since: number | undefined;
  readonly #runner: Runner;
  #rounds = 0;
  #inVain = 0;
  #endsAt = 0;

  constructor(runner: Runner) {
    this.#runner = runner;
  }

  begin(): void {
    if (this.since !== undefined) return;
    this.since = performance.now();
    this.#rounds = 0;
    this.#inVain = 0;
    this.#endsAt = this.since + MOST_MS;
    void NOW.then(this.#round);
  }

  readonly #round = (): void => {
    try {
      this.#runner.endTurn();
      if (this.#goesOn()) void NOW.then(this.#round);
      else this.#end();
    } catch (error) {
      this.#end();
      // What it throws in turn is an exception as any, and no rejection.
      queueMicrotask(() => this.#runner.fail(error));
    }
  };

  #goesOn(): boolean {
    const runner = this.#runner;
    for (let looks = 0; looks < LOOKS; looks++) {
      if (!runner.hasNews) continue;
      this.#inVain = 0;
      return runner.take() && !this.#isLate();
    }
    return ++this.#inVain < MOST_IN_VAIN && !this.#isLate();
  }

  #isLate(): boolean {
    return ++this.#rounds % ROUNDS_FOR_CLOCK === 0 && performance.now() > this.#endsAt;
  }

  #end(): void {
    this.since = undefined;
    this.#runner.endTurn();
  }
}
