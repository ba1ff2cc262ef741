import type { Server } from "node:net";
import { type EarshotError, failure } from "../errors.js";
import { type Claim, claim } from "./claim.js";
import { resolvePath } from "./resolve.js";

/** How to make the file. */
export interface SocketFileOptions {
  /** Permissions of the file: who may write may connect. Default `0o600`, this user alone. */
  readonly mode?: number | undefined;
  /** How many connections may wait to be accepted. Default: Node's. */
  readonly backlog?: number | undefined;
}

/** A socket file that a server owns. */
export interface SocketFile extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
  /**
   * Removes the file if it is still this server's; without effect when repeated. `server.close()` does it, too. The
   * server goes on listening, without a name. Never throws: a file that cannot be removed is stale when the server has
   * closed, and the next server replaces it.
   */
  release(): void;
}

/**
 * Makes any server of Node's (`net`, `http`, `tls`, `app.server` of Fastify) listen on a socket file, with all that
 * `server.listen(path)` lacks: a file left by a crash is replaced, a live server is never evicted, nobody but the
 * permitted can connect from the first instant on, and closing never removes a file that has become another's.
 *
 * The server listens when this resolves; connections may come a moment earlier, as may its `"listening"` event.
 * `server.address()` is the path. In a cluster the file belongs to the worker that calls this, not to the primary.
 *
 * ```ts
 * const server = http.createServer(handle);
 * const file = await bindSocketFile(server, "/run/user/1000/app.sock");
 * // ...
 * server.close(); // removes the file
 * ```
 *
 * @throws EarshotError `INVALID_ARGUMENT` if the server listens already; `ADDRESS_IN_USE`, `NOT_A_SOCKET`,
 * `ADDRESS_TOO_LONG`, `UNSAFE_DIRECTORY`, `PERMISSION_DENIED`, `UNSUPPORTED`; `CANCELLED` if it was closed meanwhile
 */
export async function bindSocketFile(
  server: Server,
  path: string,
  options: SocketFileOptions = {},
): Promise<SocketFile> {
  return attach(server, await claimFor(server, path, options));
}

/** The same, for who needs to know the claim: it ends with the server. */
export async function bindClaimed(server: Server, path: string, options: SocketFileOptions): Promise<Claim> {
  const taken = await claimFor(server, path, options);
  attach(server, taken);
  return taken;
}

async function claimFor(server: Server, path: string, { mode = 0o600, backlog }: SocketFileOptions): Promise<Claim> {
  if (typeof path !== "string" || path === "" || path.includes("\0") || path.endsWith("/")) {
    throw failure("INVALID_ADDRESS", "listen", String(path), "this is not the path of a file");
  }
  const target = resolvePath(path, "listen");
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw failure("INVALID_ARGUMENT", "listen", target.text, `a mode is a number from 0 to 0o777, this is ${mode}`);
  }
  if (server.listening) throw alreadyListening(target.text);
  let isCancelled = false;
  const taken = await claim(target.path, mode, async (temporary) => {
    await startListening(
      server,
      backlog === undefined ? { path: temporary } : { path: temporary, backlog },
      target.text,
    );
    return () => {
      // Somebody else has closed it: that is why the claim could not go on, whatever it makes of it.
      isCancelled = !server.listening;
      server.close();
    };
  }).catch((error) => {
    throw isCancelled ? cancelled(target.text, error) : error;
  });
  if (server.listening) return taken;
  taken.release();
  taken.dispose();
  throw cancelled(target.text);
}

function cancelled(address: string, cause?: unknown): EarshotError {
  return failure("CANCELLED", "listen", address, "the server was closed while it started", { cause });
}

function alreadyListening(address: string): EarshotError {
  return failure("INVALID_ARGUMENT", "listen", address, "the server already listens; give one that does not");
}

function startListening(server: Server, options: { path: string; backlog?: number }, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      server.off("listening", handleListening);
      server.off("error", handleError);
    };
    const handleListening = () => {
      settle();
      resolve();
    };
    const handleError = (error: unknown) => {
      settle();
      reject(error);
    };
    server.on("listening", handleListening);
    server.on("error", handleError);
    try {
      // Exclusive: in a cluster the primary would listen, and could not say which file is whose.
      server.listen({ ...options, exclusive: true });
    } catch (error) {
      // Another call for the same server was faster.
      const isListening = error instanceof Error && "code" in error && error.code === "ERR_SERVER_ALREADY_LISTEN";
      handleError(isListening ? alreadyListening(address) : error);
    }
  });
}

/** Ties the claim to the server's life: the file goes before the descriptor, see `Claim.release`. */
function attach(server: Server, taken: Claim): SocketFile {
  const { close, address } = server;
  let isReleased = false;
  const release = () => {
    if (!isReleased) taken.release();
    isReleased = true;
  };
  const detach = () => {
    server.off("close", handleClose);
    // If somebody has wrapped these since, theirs stay; ours do nothing more then.
    if (server.close === closeAfterRelease) server.close = close;
    if (server.address === tellPath) server.address = address;
  };
  // If the descriptor was closed behind our back.
  const handleClose = () => {
    detach();
    release();
    taken.dispose();
  };
  const closeAfterRelease: Server["close"] = (...callback) => {
    detach();
    release();
    close.apply(server, callback);
    taken.dispose();
    return server;
  };
  // Node would tell the temporary path.
  const tellPath = () => (server.listening ? taken.path : null);
  server.close = closeAfterRelease;
  server.address = tellPath;
  server.on("close", handleClose);
  return { path: taken.path, release, [Symbol.asyncDispose]: async () => release() };
}
