import type { FailureName } from "../wire/failure.js";
import type { Exchanges } from "./exchanges.js";
import type { ExchangeParts } from "./framed-options.js";
import type { OutgoingStream } from "./outgoing-stream.js";
import type { Output } from "./output.js";
import { excessOf } from "./peer-limits.js";
import type { Body, Exchange } from "./session.js";

/** What this side answers to the other side's messages. */
export class Answers {
  readonly #exchanges: Exchanges;
  readonly #output: Output<Exchange>;
  readonly #parts: ExchangeParts;

  constructor(exchanges: Exchanges, output: Output<Exchange>, parts: ExchangeParts) {
    this.#exchanges = exchanges;
    this.#output = output;
    this.#parts = parts;
  }

  reply(exchange: Exchange, body: Body, descriptors: readonly number[]): void {
    const { memory, host } = this.#parts;
    // Who takes it bit by bit takes any size.
    const isStreamed = exchange.creditBytes >= 0;
    const excess = excessOf(memory, isStreamed ? "" : body, descriptors.length);
    if (excess === undefined && this.#exchanges.answer(exchange, body.length)) {
      exchange.body = body;
      exchange.descriptors = descriptors;
      this.#output.push(exchange);
    } else {
      host.closeDescriptors(descriptors);
      // A second answer must not take the first one's bytes.
      if (exchange.state === "gone") exchange.letGo();
    }
    if (excess !== undefined) this.fail(exchange, excess.code, `the reply ${excess.fact}`, "");
    host.requestFlush();
  }

  stream(exchange: Exchange, outgoing: OutgoingStream, descriptors: readonly number[]): void {
    const { memory, host } = this.#parts;
    const excess = excessOf(memory, "", descriptors.length);
    if (excess === undefined && this.#exchanges.beginReply(exchange)) {
      exchange.outgoing = outgoing;
      exchange.descriptors = descriptors;
      this.#attach(exchange, outgoing);
      return;
    }
    host.closeDescriptors(descriptors);
    outgoing.discard();
    if (excess !== undefined) this.fail(exchange, excess.code, `the reply ${excess.fact}`, "");
    host.requestFlush();
  }

  endStream(exchange: Exchange): void {
    if (exchange.state === "handling") return;
    exchange.outgoing?.end();
    this.#exchanges.done(exchange);
    this.#parts.host.requestFlush();
  }

  fail(exchange: Exchange, code: FailureName, text: string, remoteCode: string): void {
    if (this.#exchanges.break(exchange)) this.#parts.writer.sendReset(exchange.id, code, text, remoteCode);
    this.#parts.host.requestFlush();
  }

  /** Its first frame waits for its first bytes, or its end. */
  #attach(exchange: Exchange, outgoing: OutgoingStream): void {
    const { streams, host } = this.#parts;
    let isPushed = false;
    const wake = () => {
      if (isPushed) this.#output.wake(exchange);
      else this.#output.push(exchange);
      isPushed = true;
      host.requestFlush();
    };
    outgoing.attach(streams.outgoing(wake));
    if (exchange.isStopped) outgoing.stop();
    else if (outgoing.queuedBytes > 0 || outgoing.hasEnded) wake();
  }
}
