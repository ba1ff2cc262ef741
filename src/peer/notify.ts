import { EarshotError } from "../errors.js";
import { sendDatagram } from "../transport/datagram.js";
import type { Logger } from "./options.js";

/** The manager's queue is full when many services start at once. */
const RETRY_MS = 50;
const MAX_ATTEMPTS = 100;
/** Longer than any timer of Node can be. */
const LONGEST_MS = 0x7fff_ffff;

/** The servers of this process that the manager was told of: to it they are one service, which stops with the last. */
const ready = new Set<ManagerNotifier>();

/** Tells the service manager how a server fares, sd_notify(3). Never throws: what cannot be told is logged. */
export interface Notifier {
  /** It listens. From now on the watchdog gets its signs of life, while the event loop turns. */
  ready(): void;
  /** It begins to close. */
  stopping(): void;
}

/** `undefined` where no manager wants to know. */
export function findNotifier(logger: Logger, env: NodeJS.ProcessEnv = process.env): Notifier | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period = "", WATCHDOG_PID: pid = String(process.pid) } = env;
  if (socket === undefined || socket === "") return undefined;
  const isWatched = /^\d{1,15}$/.test(period) && Number(period) > 0 && pid === String(process.pid);
  // Half of it, sd_watchdog_enabled(3), in microseconds.
  const watchdogMs = isWatched ? Math.min(Number(period) / 2_000, LONGEST_MS) : undefined;
  return new ManagerNotifier(socket, watchdogMs, logger);
}

class ManagerNotifier implements Notifier {
  readonly #socket: string;
  readonly #watchdogMs: number | undefined;
  readonly #logger: Logger;
  #watchdog: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(socket: string, watchdogMs: number | undefined, logger: Logger) {
    this.#socket = socket;
    this.#watchdogMs = watchdogMs;
    this.#logger = logger;
  }

  ready(): void {
    ready.add(this);
    this.#tell("READY=1");
    if (this.#watchdogMs === undefined) return;
    this.#watchdog = setInterval(() => this.#send("WATCHDOG=1"), this.#watchdogMs).unref();
  }

  stopping(): void {
    if (!ready.delete(this)) return;
    clearInterval(this.#watchdog);
    clearTimeout(this.#retry);
    // Whoever says this is stopped by systemd, with all that the process still does: github.com/systemd/systemd/issues/39535
    if (ready.size === 0) this.#tell("STOPPING=1");
  }

  /** Until it is told. */
  #tell(state: string, attempts = MAX_ATTEMPTS): void {
    if (this.#send(state)) return;
    if (attempts > 1) this.#retry = setTimeout(() => this.#tell(state, attempts - 1), RETRY_MS).unref();
    else this.#failed(state, new EarshotError("OVERLOADED", "its queue is full"));
  }

  /** Returns false if it may be tried again. */
  #send(state: string): boolean {
    try {
      return sendDatagram(this.#socket, state);
    } catch (error) {
      this.#failed(state, error);
      return true;
    }
  }

  #failed(state: string, error: unknown): void {
    // Once, and not at every sign of life.
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const fact = error instanceof Error ? error.message : String(error);
    this.#logger.warn({ error, socket: this.#socket }, `cannot tell the service manager ${state}: ${fact}`);
  }
}
