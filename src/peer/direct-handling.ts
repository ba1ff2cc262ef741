import type { EarshotError } from "../errors.js";
import type { Exchange, OwnContract } from "../session/session.js";
import type { AnswerPath } from "./answer-path.js";
import { Answering } from "./answering.js";

/** A contract, for the server that it is served by. */
export interface ServedContract extends OwnContract {
  /** Called for each message; answers it, now or later. */
  readonly answer: (answering: Answering) => void;
  /** What a server tells who asks, as JSON. */
  readonly describe: () => string;
}

/** Messages to one who answers them by himself, without a promise for each. */
export class DirectHandling {
  readonly #answer: (answering: Answering) => void;
  readonly #address: () => string;

  constructor(answer: (answering: Answering) => void, address: () => string) {
    this.#answer = answer;
    this.#address = address;
  }

  handle(connection: AnswerPath, exchange: Exchange): void {
    // Nobody takes them.
    connection.closeDescriptors(exchange.received);
    const answering = new Answering(connection, this.#address(), exchange);
    exchange.context = answering;
    this.#answer(answering);
  }

  /** Nobody waits for the answer any more. */
  giveUp(exchange: Exchange, error: EarshotError): void {
    if (exchange.context instanceof Answering) exchange.context.giveUp(error);
  }
}
