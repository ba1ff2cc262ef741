import { EarshotError, failure } from "../errors.js";
import type { OwnApp } from "../session/session.js";
import { Appearance } from "../transport/appearance.js";
import type { SocketTarget } from "../transport/resolve.js";
import type { AppInfo } from "../wire/hello.js";
import type { Client } from "./client.js";
import { isNewer } from "./newer-version.js";
import { isMissing } from "./start.js";
import { SYSTEM_TIME } from "./time.js";

/** For the old server to answer; it does not involve its handlers. */
const ANSWER_MS = 5_000;

/** What a server that is asked to leave has to do. */
const LEAVE = { do: "leave" } as const;

/** The old one has gone by itself meanwhile, or another caller has asked it first. */
const GONE: readonly string[] = ["NO_SERVER", "CONNECTION_LOST", "CONNECTION_CLOSED"];

/** Who replaces whom. */
export interface Replacement {
  readonly own: OwnApp;
  /** Why the server's version does not suit. */
  readonly mismatch: EarshotError;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes the server of an older version leave, which finishes what it has. Only this way round: otherwise two tools of
 * different versions would replace each other's servers for ever.
 *
 * @param dialSystem to the server's earshot alone
 * @throws EarshotError `VERSION_MISMATCH` if it is not older, or does not leave
 */
export async function makeLeave(
  { own, mismatch, signal }: Replacement,
  dialSystem: () => Promise<Client>,
): Promise<void> {
  let client: Client | undefined;
  try {
    client = await dialSystem();
    // Asked on this very connection: whoever is at the address by now may be another.
    const { app } = await client.ping({ timeoutMs: ANSWER_MS, signal });
    // Another caller has replaced it already.
    if (own.objection(app) === undefined) return;
    assertOlder(own.info, app, mismatch);
    await client.system(LEAVE, { timeoutMs: ANSWER_MS, signal });
    // It ends the connection when its file is gone.
    await ended(client, signal);
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    if (GONE.includes(error.code)) return;
    if (error.code === "VERSION_MISMATCH" || error.code === "CANCELLED") throw error;
    throw refused(mismatch, `it does not leave when it is asked to: ${error.message}`, error);
  } finally {
    await client?.close({ graceMs: 0 });
  }
}

/** Waits for what comes when the old server has left. @throws EarshotError `NO_SERVER`, and as `dial` */
export async function awaitSuccessor<T>(
  where: { readonly target: SocketTarget; readonly timeoutMs: number; readonly signal: AbortSignal },
  connect: () => Promise<T>,
): Promise<T> {
  const { target, timeoutMs, signal } = where;
  using appearance = new Appearance(target);
  const deadline = timeoutMs === 0 ? Infinity : performance.now() + timeoutMs;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (!isMissing(error)) throw error;
      if (performance.now() >= deadline) {
        const fact = `the older server has left as it was asked to, but no other has come after ${timeoutMs} ms. Start one, or give the option start`;
        throw failure("NO_SERVER", "dial", target.text, fact, { cause: error });
      }
    }
    await appearance.next(signal);
  }
}

function assertOlder(own: AppInfo | undefined, server: AppInfo | undefined, mismatch: EarshotError): void {
  if (server === undefined || own === undefined)
    throw refused(mismatch, "it was not replaced: it does not say which version it is");
  if (server.name !== own.name) throw refused(mismatch, "it was not replaced: it is another application");
  if (isNewer(own.version, server.version)) return;
  throw refused(mismatch, "it was not replaced: only a newer version replaces an older one, and this one is not newer");
}

function refused(mismatch: EarshotError, fact: string, cause: unknown = mismatch): EarshotError {
  return failure("VERSION_MISMATCH", "dial", mismatch.address ?? "", `${factOf(mismatch)}; ${fact}`, { cause });
}

/** Without the action and the address, which come before it again. */
function factOf({ cause, message }: EarshotError): string {
  return cause instanceof EarshotError ? cause.message : message;
}

/**
 * Waits for the end of its connection, and cuts it when the signal aborts or an old server stands still: that has said that it
 * leaves, and whoever connects next sees whether it has.
 */
async function ended(client: Client, signal: AbortSignal | undefined): Promise<void> {
  const cut = () => void client.close({ graceMs: 0 });
  const timer = SYSTEM_TIME.after(ANSWER_MS, cut);
  signal?.addEventListener("abort", cut, { once: true });
  if (signal?.aborted) cut();
  await client.closed;
  timer.cancel();
  signal?.removeEventListener("abort", cut);
}
