import { parseAddress } from "../address.js";
import { EarshotError } from "../errors.js";
import { endsEmptyConnection, examineSocket, type Finding, type SocketExamination } from "../transport/examine.js";
import { resolveSocket } from "../transport/resolve.js";
import type { AppInfo } from "../wire/hello.js";
import type { Client } from "./client.js";
import { dial } from "./dial.js";
import { checkChoice, checkTimeout, type Logger } from "./options.js";

/** A server that does not answer for so long is not well. */
const DEFAULT_TIMEOUT_MS = 1_000;

/** How to look. */
export interface ExamineOptions {
  /** For each step that asks the server, in milliseconds; default 1,000, also for 0. */
  readonly timeoutMs?: number | undefined;
  /**
   * `"framed"` (default) asks with a ping. A server that takes only the plain wire handles what a ping begins with as a
   * message: `"plain"` sends nothing at all.
   */
  readonly wire?: "framed" | "plain" | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
}

/** How a server answers. */
export interface Answer {
  /** `"other"` is neither of earshot's. */
  readonly wire: "framed" | "plain" | "other";
  /** Of a ping, in milliseconds; `undefined` if none was answered. */
  readonly roundTripMs: number | undefined;
  /** The server's application, if it says. */
  readonly app: AppInfo | undefined;
}

/** What there is to know about an address; a plain object, as JSON can carry it. */
export interface Examination extends SocketExamination {
  /** As it was given. */
  readonly address: string;
  /** How the server answered; `undefined` if there is none, or it did not. */
  readonly answer: Answer | undefined;
}

/**
 * Finds out why a server can or cannot be reached, or listen, at an address: what is there, who listens, whether it
 * answers, and what this system can do. It creates and removes nothing, and its findings say what to do.
 *
 * @throws EarshotError `INVALID_ADDRESS`, `INVALID_ARGUMENT`; all else is a finding
 */
export async function examine(address: string, options: ExamineOptions = {}): Promise<Examination> {
  const wire = checkChoice("wire", options.wire, ["framed", "plain"]);
  const timeoutMs = checkTimeout("timeoutMs", options.timeoutMs) || DEFAULT_TIMEOUT_MS;
  const socket = await examineSocket(parseAddress(address), timeoutMs);
  const result = { address, ...socket, answer: undefined };
  if (socket.state !== "live" || socket.server?.isStopped) return result;
  const { answer, finding } =
    (wire === "framed" ? await ping(address, socket, timeoutMs, options.logger) : undefined) ??
    (await wait(address, socket, timeoutMs, wire));
  return { ...result, answer, findings: finding === undefined ? socket.findings : [finding, ...socket.findings] };
}

interface Outcome {
  readonly answer: Answer | undefined;
  readonly finding: Finding | undefined;
}

/** Returns `undefined` when there is no answer. */
async function ping(
  address: string,
  { system }: SocketExamination,
  timeoutMs: number,
  logger: Logger | undefined,
): Promise<Outcome | undefined> {
  let client: Client | undefined;
  try {
    client = await dial(address, { transport: system.transport, connectTimeoutMs: timeoutMs, logger });
    const { roundTripMs, app } = await client.ping({ timeoutMs });
    return { answer: { wire: "framed", roundTripMs, app }, finding: undefined };
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    if (client === undefined) return { answer: undefined, finding: { code: error.code, text: error.message } };
    return error.code === "TIMEOUT" ? undefined : explain(error, client.serverApp);
  } finally {
    await client?.close({ graceMs: 0 });
  }
}

/** It did answer, but not what a ping is answered with. */
function explain({ code, message }: EarshotError, app: AppInfo | undefined): Outcome {
  const answer = { wire: "framed", roundTripMs: undefined, app } as const;
  switch (code) {
    case "PROTOCOL_VIOLATION":
    case "CONNECTION_LOST":
    case "CONNECTION_CLOSED": {
      const text =
        'it does not answer as earshot does, so it is another kind of program; if it reads to the end of input, dial it with wire "plain"';
      return { answer: { ...answer, wire: "other" }, finding: { code: undefined, text } };
    }
    case "VERSION_MISMATCH": {
      const text = `it takes only certain applications, and says so to this one; its own clients may suit it: ${message}`;
      return { answer, finding: { code: undefined, text } };
    }
    default:
      return { answer, finding: { code, text: message } };
  }
}

async function wait(
  address: string,
  { system }: SocketExamination,
  timeoutMs: number,
  wire: "framed" | "plain",
): Promise<Outcome> {
  const target = resolveSocket(parseAddress(address), "dial");
  if (await endsEmptyConnection(system.transport, target, timeoutMs)) {
    const text = `it answers no ping, but ends an empty connection: it takes only the plain wire; dial it with wire "plain"`;
    const answer = { wire: "plain", roundTripMs: undefined, app: undefined } as const;
    return { answer, finding: wire === "plain" ? undefined : { code: undefined, text } };
  }
  const text = `the kernel takes connections for the server, and it does not answer within ${timeoutMs} ms: it hangs, or is very busy; look at what it does, or restart it`;
  return { answer: undefined, finding: { code: "TIMEOUT", text } };
}
