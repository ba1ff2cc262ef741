const NUMBERS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type SignalName = keyof typeof NUMBERS;
/** 128 and the signal's number, as shells tell it. */
export type SignalCode = (typeof NUMBERS)[SignalName];

/** What ends a server or a call: first it shall finish what it has in hand, and a second signal ends that, too. */
export class Ending {
  /** Resolves at the second signal with the exit code that tells of it. */
  readonly forced: Promise<SignalCode>;
  readonly #controller = new AbortController();
  #error: unknown;
  #first: SignalName | undefined;

  constructor(host: Pick<NodeJS.Process, "on">) {
    this.forced = new Promise((resolve) => {
      const onSignal = (name: SignalName) => {
        this.#first ??= name;
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

  /** The first signal that came, if any did. */
  get by(): SignalName | undefined {
    return this.#first;
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

/**
 * Ends the process as the signal would have done before anybody listened for it: a shell that runs it in a loop then knows
 * that the loop shall end.
 *
 * @returns the code for a process that no signal ends, such as the first one of a container
 */
export function endBy(name: SignalName, host: Pick<NodeJS.Process, "removeAllListeners" | "kill" | "pid">): SignalCode {
  host.removeAllListeners(name);
  host.kill(host.pid, name);
  return NUMBERS[name];
}
