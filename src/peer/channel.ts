import type { EarshotError } from "../errors.js";
import type { Request } from "../session/session.js";
import type { AppInfo } from "../wire/hello.js";

/** How a client's messages get across: many on one connection, or each on its own. */
export interface Channel {
  /** The other side's application, once it is known. */
  readonly app: AppInfo | undefined;
  send(request: Request): void;
  ping(request: Request): void;
  /** Whether the request was handed to this channel, has begun, and is not settled. */
  owns(request: Request): boolean;
  cancel(request: Request, code: "CANCELLED" | "TIMEOUT"): void;
  /** Reads no more of a reply that is wanted as a stream. */
  stop(request: Request): void;
  /** Ends when everything in flight is settled. */
  close(): void;
  /** Ends now. */
  cut(error: EarshotError): void;
}

/** Who has a channel. */
export interface ChannelOwner {
  /** It takes nothing new; what is in flight goes on. */
  onLeaving(channel: Channel, error: EarshotError): void;
  /** Comes once and last: nothing of it is left. */
  onEnded(channel: Channel, error: EarshotError): void;
}
