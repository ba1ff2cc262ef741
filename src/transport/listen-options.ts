import type { EarshotError } from "../errors.js";
import type { Transport } from "./transport.js";

/** What every kind of listener is made with. */
export interface ListenOptions {
  /** Permissions of the socket file. */
  readonly mode: number;
  readonly backlog: number;
  /** As for `Spin`; of no use to `node:net`. */
  readonly spinUs: number;
  readonly onTransport: (transport: Transport) => void;
  /** The listening socket failed while it was in use; it goes on where it can. */
  readonly onError: (error: EarshotError) => void;
}
