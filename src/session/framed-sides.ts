import { Answers } from "./answers.js";
import type { ExchangeParts, FramedOptions } from "./framed-options.js";
import { Inbound } from "./inbound.js";
import { Outbound } from "./outbound.js";
import { Output } from "./output.js";
import type { Exchange, Outgoing, Request } from "./session.js";

/** What differs between the two sides of the framed wire: a client has messages of its own, a server the other side's. */
export interface Sides {
  readonly outbound: Outbound | undefined;
  readonly inbound: Inbound | undefined;
  readonly answers: Answers | undefined;
  /** Of requests, or of exchanges. */
  readonly output: Output<Outgoing>;
}

export function makeSides({ role, arena, host }: FramedOptions, parts: ExchangeParts): Sides {
  if (role === "client") {
    const outbound = new Outbound(parts);
    const output = new Output<Request>(arena, outbound, host, parts.memory);
    outbound.output = output;
    return { outbound, inbound: undefined, answers: undefined, output: output as Output<Outgoing> };
  }
  const inbound = new Inbound(parts);
  const output = new Output<Exchange>(arena, inbound, host, parts.memory);
  inbound.output = output;
  return {
    outbound: undefined,
    inbound,
    answers: new Answers(inbound.exchanges, output, parts),
    output: output as Output<Outgoing>,
  };
}
