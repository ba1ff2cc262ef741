import type { EarshotError } from "../errors.js";
import type { Carrier, Request } from "../session/session.js";
import type { AppInfo } from "../wire/hello.js";
import type { Loan } from "./loan.js";

/** How a client's messages get across: many on one connection, or each on its own. */
export interface Channel extends Carrier {
  /** The other side's application, once it is known. */
  readonly app: AppInfo | undefined;
  /** Why it takes nothing new; `undefined` while it does. */
  readonly ended: EarshotError | undefined;
  /** From now on it is the request's carrier. */
  send(request: Request): void;
  ping(request: Request): void;
  /** Memory for a message; waits until it is known whether the other side can see it. */
  loan(bytes: number): Promise<Loan>;
  /** Ends when everything in flight is settled. @param reason what new ones are refused with */
  close(reason?: EarshotError): void;
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
