import type { EarshotError } from "../errors.js";
import type { Arena } from "../session/arena.js";
import type { BodyMemory } from "../session/body-memory.js";
import { FramedSession } from "../session/framed.js";
import type { FramedMemory, LaneHost } from "../session/framed-options.js";
import type { Greetings } from "../session/handshake.js";
import { PlainSession } from "../session/plain.js";
import type { Exchange, OwnApp, Session, SessionHost, SessionLimits } from "../session/session.js";
import type { SlabHost } from "../session/slab.js";
import type { Hello } from "../wire/hello.js";
import type { Budget } from "./budget.js";
import type { Connection } from "./connection.js";
import type { DescriptorTable } from "./descriptor.js";
import type { LaneSetup } from "./lane.js";

/** What all connections of a server or client have in common. */
export interface ConnectionSetup {
  readonly role: "client" | "server";
  readonly wire: "auto" | "framed" | "plain";
  readonly limits: SessionLimits;
  readonly greetings: Greetings;
  /** To who may see this side's memory; set with `lane`. */
  readonly loanGreetings?: Greetings | undefined;
  readonly app: OwnApp;
  readonly arena: Arena;
  /** Where large messages are only lent to their handlers. */
  readonly bodies?: BodyMemory | undefined;
  readonly budget: Budget | undefined;
  /** Where the transport carries descriptors. */
  readonly descriptors: DescriptorTable | undefined;
  /** Where connections may go through shared memory. */
  readonly lane: LaneSetup | undefined;
  readonly owner: ConnectionOwner;
  /** Who has to know that a message is answered. */
  readonly admission?: { leave(exchange: Exchange): void } | undefined;
}

export interface ConnectionOwner {
  onGreeting(connection: Connection, hello: Hello): void;
  onExchange(connection: Connection, exchange: Exchange): void;
  onCallerGone(connection: Connection, exchange: Exchange, error: EarshotError): void;
  /** The other side takes no new messages on this connection. */
  onClosing(connection: Connection, error: EarshotError): void;
  /** Comes once and last. @param error why, unless either side simply ended it. */
  onClosed(connection: Connection, error: EarshotError | undefined): void;
}

/** @param memory of the session that a framed connection had before it rested. */
export function makeSession(
  wire: "framed" | "plain",
  host: SessionHost & { readonly lane: (LaneHost & { readonly slabs?: SlabHost | undefined }) | undefined },
  setup: ConnectionSetup,
  refusal: EarshotError | undefined,
  memory?: FramedMemory,
): Session {
  const { role, limits, app, arena, bodies } = setup;
  if (wire === "plain") return new PlainSession(role, host, limits);
  const slabs = setup.loanGreetings === undefined ? undefined : host.lane?.slabs;
  const greetings = (slabs === undefined ? undefined : setup.loanGreetings) ?? setup.greetings;
  const own = { role, host, limits, greetings, app, arena, bodies, refusal, memory };
  return new FramedSession({ ...own, lanes: host.lane, slabs });
}
