import { contract, procedure, type } from "earshot/contract";

export const soaked = contract("soaked", "1.0.0", {
  upper: procedure({ input: type<string>(), output: type<string>() }),
  count: procedure({ input: type<number>(), yields: type<string>() }),
});

/** What a server is told, in JSON. */
export interface ServerOrder {
  readonly address: string;
  readonly contractAddress: string;
  readonly inbox: string;
}

/** What a sender is told, in JSON. */
export interface SenderOrder {
  readonly servers: readonly ServerOrder[];
  readonly outbox: string;
  /** The server that the outbox delivers to. */
  readonly outboxAddress: string;
}

/** How often something has happened, such as `outbox delivered` or `retry false NO_SERVER unsent`. */
export type Counts = Record<string, number>;
