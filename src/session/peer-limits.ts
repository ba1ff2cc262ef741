import type { Delivery } from "../errors.js";
import type { FailureName } from "../wire/failure.js";
import type { Body, Request } from "./session.js";

/** What the other side takes; `undefined` until it has greeted. */
export interface PeerLimits {
  readonly peerMaxMessageBytes: number | undefined;
  readonly peerMaxDescriptors: number | undefined;
}

/** Why the other side will not take a message or reply, so that it need not be sent. */
export interface Excess {
  readonly code: "MESSAGE_TOO_LARGE" | "UNSUPPORTED";
  /** To be put behind "the message" or "the reply". */
  readonly fact: string;
}

/** Text has at most 3 bytes for each unit, so that most need not be measured. */
export function excessOf(limits: PeerLimits, body: Body, descriptors: number): Excess | undefined {
  const { peerMaxMessageBytes: maxBytes, peerMaxDescriptors: maxDescriptors } = limits;
  if (descriptors > 0 && maxDescriptors !== undefined && descriptors > maxDescriptors) {
    if (maxDescriptors === 0) return { code: "UNSUPPORTED", fact: "has descriptors, and the other side takes none" };
    const fact = `has ${descriptors} descriptors, the other side takes ${maxDescriptors} (its maxDescriptors)`;
    return { code: "MESSAGE_TOO_LARGE", fact };
  }
  if (maxBytes === undefined || body.length * 3 <= maxBytes) return undefined;
  const bytes = Buffer.byteLength(body);
  if (bytes <= maxBytes) return undefined;
  return {
    code: "MESSAGE_TOO_LARGE",
    fact: `has ${bytes} bytes, the other side takes ${maxBytes} (its maxMessageBytes)`,
  };
}

/** A server that says so has not let any handler see the message. */
const UNHANDLED: ReadonlySet<FailureName> = new Set(["OVERLOADED", "UNKNOWN_PROCEDURE"]);

/** Whether a handler may have seen a message that the other side answers so. */
export function deliveryOf(request: Request, code: FailureName, { peerMaxMessageBytes }: PeerLimits): Delivery {
  if (UNHANDLED.has(code)) return "unsent";
  // A reply can be too large as well, and then the message was handled.
  const isTooLarge = Math.max(request.sentLength, request.sentBytes) > (peerMaxMessageBytes ?? Infinity);
  return code === "MESSAGE_TOO_LARGE" && isTooLarge ? "unsent" : "unknown";
}
