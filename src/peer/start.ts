import { EarshotError } from "../errors.js";
import type { SocketTarget } from "../transport/resolve.js";
import type { Transport } from "../transport/transport.js";
import { checkStart, type StartOptions } from "./start-options.js";

/** Makes one connection to the server. @throws EarshotError why there is none */
export type Connect = (signal: AbortSignal | undefined) => Promise<Transport>;

/** Connects, and starts the server if nobody answers. @throws EarshotError `INVALID_ARGUMENT` */
export function startingIfMissing(connect: Connect, target: SocketTarget, options: StartOptions): Connect {
  const start = checkStart(options);
  return async (signal) => {
    try {
      return await connect(signal);
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Loaded when it is needed: most callers find a server.
      const { Daemon } = await import("./start-daemon.js");
      return await new Daemon(connect, target, start).reach(signal);
    }
  };
}

/** Nobody answers at the address. */
export function isMissing(error: unknown): boolean {
  return error instanceof EarshotError && error.code === "NO_SERVER";
}
