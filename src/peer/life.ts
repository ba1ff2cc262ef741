import type { EarshotError } from "../errors.js";
import type { Channel, ChannelOwner } from "./channel.js";
import type { ClientState } from "./client-state.js";
import type { Reconnecting, RedialParts } from "./redial.js";
import type { WaitingLimits } from "./waiting-room.js";

/** What a line is made of. */
export interface LineParts extends RedialParts {
  /** Makes a connection; gives up when the signal aborts. */
  readonly open: (owner: ChannelOwner, signal: AbortSignal) => Promise<Channel>;
  /** `undefined`: the first connection is the only one. */
  readonly reconnecting: Reconnecting | undefined;
  readonly waiting: WaitingLimits;
}

/** Makes a connection that takes messages. @throws EarshotError why there is none */
export async function openChannel({ open }: LineParts, owner: ChannelOwner, signal: AbortSignal): Promise<Channel> {
  const channel = await open(owner, signal);
  if (channel.ended === undefined) return channel;
  // That it ends was told before anybody had it, and is not told again. There is nothing that it could still finish.
  channel.close();
  throw channel.ended;
}

/** Where a line is with its connection. */
export type Life =
  /** There is no connection, and nothing that needs one. */
  | { readonly kind: "idle"; readonly cause: EarshotError | undefined }
  /** `cause`: why the connection or attempt before is none. */
  | {
      readonly kind: "connecting";
      readonly controller: AbortController;
      readonly cause: EarshotError | undefined;
    }
  | { readonly kind: "open"; readonly channel: Channel; readonly since: number }
  /** Until `retryAt`, at most. */
  | { readonly kind: "waiting"; readonly retryAt: number; readonly cause: EarshotError }
  | { readonly kind: "closed"; readonly cause: EarshotError };

/** The same for who has the client. */
export function stateOf(life: Life, attempt: number): ClientState {
  switch (life.kind) {
    case "idle":
      return { kind: "waiting", attempt, retryAt: undefined, cause: life.cause };
    case "waiting":
      return { kind: "waiting", attempt, retryAt: life.retryAt, cause: life.cause };
    case "connecting":
      return { kind: "connecting", attempt };
    case "open":
      return { kind: "open" };
    case "closed":
      return { kind: "closed", cause: life.cause };
  }
}

/** Why there is no connection. */
export function causeOf(life: Life): EarshotError | undefined {
  return life.kind === "open" ? undefined : life.cause;
}
