import type { EarshotError } from "../errors.js";
import type { Reason } from "./failure.js";

/** What an outbox tells while it works. Only the process whose turn it is to deliver hears of deliveries. */
export interface OutboxEvents {
  /** Acknowledged by the server, and removed from the disk. */
  delivered: { readonly id: string };
  /** An attempt failed; the next comes after so many milliseconds. */
  retry: { readonly id: string; readonly attempts: number; readonly retryInMs: number; readonly error: EarshotError };
  /** It is a dead letter from now on. */
  dead: { readonly id: string; readonly reason: Reason };
  /** The server takes nothing now; all deliveries wait so long, or until it is back. */
  away: { readonly error: EarshotError; readonly retryInMs: number };
  /** It is this process's turn to deliver from now on. */
  turn: Record<never, never>;
  /** The store or its directory makes trouble; what is on disk stays, and it is tried again. */
  trouble: { readonly error: EarshotError };
}

export type Listener<Name extends keyof OutboxEvents> = (event: OutboxEvents[Name]) => void;

/** Who listens to what. A listener that throws stops nobody else. */
export class Events {
  readonly #listeners: { [Name in keyof OutboxEvents]?: Set<Listener<Name>> } = {};
  readonly #onFailure: (error: unknown) => void;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Returns what takes the listener away again. */
  add<Name extends keyof OutboxEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#of(name);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof OutboxEvents>(name: Name, event: OutboxEvents[Name]): void {
    for (const listener of this.#of(name)) {
      try {
        listener(event);
      } catch (error) {
        this.#onFailure(error);
      }
    }
  }

  #of<Name extends keyof OutboxEvents>(name: Name): Set<Listener<Name>> {
    const listeners: Set<Listener<Name>> = this.#listeners[name] ?? new Set();
    (this.#listeners as Record<Name, Set<Listener<Name>>>)[name] = listeners;
    return listeners;
  }
}
