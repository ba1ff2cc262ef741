import { Message } from "../message.js";
import type { Answering } from "../peer/answering.js";
import type { Inflow } from "../peer/flow.js";
import { RecordReader } from "../peer/record-reader.js";
import { isThenable } from "../peer/reply.js";
import { type Codec, CodecError } from "./codec.js";
import { collectCall } from "./collect.js";
import { Refusal } from "./faults.js";
import { CallReader } from "./format.js";
import { unreadable } from "./received-items.js";
import { encodeOutput, type ServedCall } from "./served-call.js";
import { ServedContext } from "./served-context.js";
import type { Served, Service } from "./service.js";
import { StreamCall } from "./stream-call.js";
import { UnaryCall } from "./unary-call.js";

const NOTHING = Buffer.alloc(0);
const refuse = (text: string) => new Refusal("MESSAGE_TOO_LARGE", text);

/** From messages to calls. */
export class Dispatch {
  readonly #service: Service;
  readonly #call = new CallReader();
  /** Whose message is read. */
  #answering: Answering | undefined;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Answers a message, now or later. */
  readonly answer = (answering: Answering): void => {
    const { whole } = answering;
    if (whole === undefined) {
      void this.#collect(answering);
      return;
    }
    this.#answering = answering;
    Message.read(whole, this);
  };

  /** @internal a message that came whole */
  read(source: Buffer, start: number, end: number): void {
    if (this.#answering !== undefined) this.#begin(this.#answering, source, start, end, undefined);
  }

  /** A message that comes bit by bit: its call first. */
  async #collect(answering: Answering): Promise<void> {
    const inflow = answering.read();
    const collected = await collectCall(inflow, this.#service);
    if (Buffer.isBuffer(collected)) this.#begin(answering, collected, 0, collected.length, inflow);
    else {
      inflow.stop();
      answering.fail(collected.code, collected.text);
    }
  }

  /** @param inflow what comes behind these bytes */
  #begin(answering: Answering, source: Buffer, start: number, end: number, inflow: Inflow | undefined): void {
    const call = this.#call;
    let served: Served | undefined;
    let codec: Codec;
    try {
      call.read(source, start, end);
      served = this.#service.find(source, call.nameStart, call.nameEnd);
      codec = this.#service.codec(call.codec);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      answering.fail("UNSUPPORTED", `the server takes calls of contract ${this.#service.title}: ${error.message}`);
      return;
    }
    if (served === undefined || served.accepts !== call.hasItems || served.yields !== call.isStreamed) {
      const name = source.toString("utf8", call.nameStart, call.nameEnd);
      answering.fail("UNKNOWN_PROCEDURE", this.#unknown(name, served));
      return;
    }
    this.#start(answering, served, codec, source, end, inflow);
  }

  #start(
    answering: Answering,
    served: Served,
    codec: Codec,
    source: Buffer,
    end: number,
    inflow: Inflow | undefined,
  ): void {
    const { headers, inputStart, inputEnd } = this.#call;
    const context = new ServedContext(served, headers, answering);
    let input: unknown;
    let unread: unknown;
    try {
      if (inputStart < inputEnd) input = codec.decode(source, inputStart, inputEnd);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      unread = unreadable(served.name, error.message);
    }
    if (served.isBare && unread === undefined) {
      this.#answer(answering, served, codec, context, input);
      return;
    }
    let items: RecordReader | undefined;
    if (served.accepts) {
      const rest = inputEnd < end ? source.subarray(inputEnd, end) : NOTHING;
      const { maxMessageBytes, held } = this.#service;
      items = new RecordReader(inflow ?? answering.read(), { maxBytes: maxMessageBytes, held, refuse }, rest);
    }
    const made: ServedCall =
      served.kind === "unary"
        ? new UnaryCall(this.#service, served, codec, context, answering, input)
        : new StreamCall(this.#service, served, codec, context, { inner: answering, input, items });
    if (unread === undefined) made.start();
    else made.fail(unread);
  }

  /** The handler and nothing else: most calls, so that these need no object that remembers what they are. */
  #answer(answering: Answering, served: Served, codec: Codec, context: ServedContext, input: unknown): void {
    let bytes: Uint8Array;
    const remembered = () => new UnaryCall(this.#service, served, codec, context, answering, input);
    let output: unknown;
    try {
      output = served.hasInput ? served.handler(input, context) : served.handler(context);
      if (isThenable(output)) {
        remembered().settle(output);
        return;
      }
    } catch (error) {
      remembered().fail(error);
      return;
    }
    try {
      bytes = encodeOutput(this.#service, served, codec, output, true);
    } catch {
      // It fails again, and tells why.
      remembered().settle(output);
      return;
    }
    answering.reply(bytes, this.#service.writer);
  }

  #unknown(name: string, served: Served | undefined): string {
    const { title } = this.#service;
    if (served !== undefined) return `${name} is another kind of procedure in contract ${title}: ${served.kind}`;
    return `contract ${title} has no procedure ${JSON.stringify(name)}; restart the server with a newer version`;
  }
}
