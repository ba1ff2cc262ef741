import type { EarshotError } from "../errors.js";
import type { Reason } from "./failure.js";

/** What an outbox tells while it works. Only the process whose turn it is to deliver hears of deliveries. */
export interface OutboxEvents {
  /** Acknowledged by the server, and removed from the disk. */
  delivered: Delivered;
  /** An attempt failed; the next comes after so many milliseconds. */
  retry: Retried;
  /** It is a dead letter from now on. */
  dead: Died;
  /** The server takes nothing now; all deliveries wait so long, or until it is back. */
  away: Away;
  /** It is this process's turn to deliver from now on. */
  turn: Record<never, never>;
  /** The store or its directory makes trouble; what is on disk stays, and it is tried again. */
  trouble: Trouble;
}

/** A message was delivered. */
export interface Delivered {
  /** Of the message. */
  readonly id: string;
}

/** An attempt failed. */
export interface Retried {
  /** Of the message. */
  readonly id: string;
  /** How often it was tried by now. */
  readonly attempts: number;
  /** When it is tried next, in milliseconds from now. */
  readonly retryInMs: number;
  /** Why it failed. */
  readonly error: EarshotError;
}

/** A message became a dead letter. */
export interface Died {
  /** Of the message. */
  readonly id: string;
  /** Why. */
  readonly reason: Reason;
}

/** The server takes nothing. */
export interface Away {
  /** Why. */
  readonly error: EarshotError;
  /** When it is tried next, in milliseconds from now. */
  readonly retryInMs: number;
}

/** The store or its directory makes trouble. */
export interface Trouble {
  /** What happened. */
  readonly error: EarshotError;
}

/** Who hears of one kind of event. */
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
