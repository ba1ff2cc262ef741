import type { KeptMessage } from "./record.js";

/** How messages get to the server. */
export interface Way {
  /** Resolves when the server's handler is done with it; rejects with an EarshotError. */
  deliver(message: KeptMessage, timeoutMs: number): Promise<void>;
  /** Calls it whenever a connection to the server is made: it may be there again. */
  onBack(listener: () => void): void;
  /** Waits so long for what is under way, and rejects the rest. */
  close(graceMs: number): Promise<void>;
}
