const NUMBERS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type SignalName = keyof typeof NUMBERS;

/** What ends a server: first it shall finish what it has in hand, and a second signal ends that, too. */
export class Ending {
  /** Resolves at the second signal with the exit code that tells of it. */
  readonly forced: Promise<(typeof NUMBERS)[SignalName]>;
  readonly #controller = new AbortController();
  #error: unknown;

  constructor(host: Pick<NodeJS.Process, "on">) {
    this.forced = new Promise((resolve) => {
      const onSignal = (name: SignalName) => {
        if (this.signal.aborted) resolve(NUMBERS[name]);
        else this.begin();
      };
      for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) host.on(name, () => onSignal(name));
    });
  }

  /** Aborts when the end begins. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @param error why, if it is not the regular end */
  begin(error?: unknown): void {
    this.#error ??= error;
    this.#controller.abort();
  }

  /** @throws what `begin` was given */
  throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error;
  }
}
