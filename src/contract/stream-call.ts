import type { Answering } from "../peer/answering.js";
import type { RecordReader } from "../peer/record-reader.js";
import { RecordStream } from "../peer/record-stream.js";
import { isThenable } from "../peer/reply.js";
import type { FailureName } from "../wire/failure.js";
import { check } from "./check.js";
import { type Codec, CodecError } from "./codec.js";
import { failedReply } from "./format.js";
import { ItemWriter } from "./item-writer.js";
import { Pump } from "./pump.js";
import { ReceivedItems } from "./received-items.js";
import { ServedCall } from "./served-call.js";
import type { ServedContext } from "./served-context.js";
import type { Served, Service } from "./service.js";

/** What a call with streams is made of besides the rest. */
export interface Streams {
  readonly inner: Answering;
  readonly input: unknown;
  /** What the caller streams. */
  readonly items: RecordReader | undefined;
}

/** A call of which either side, or both, are streams. */
export class StreamCall extends ServedCall {
  readonly #streams: Streams;
  #writer: ItemWriter | undefined;

  constructor(service: Service, served: Served, codec: Codec, context: ServedContext, streams: Streams) {
    super(service, served, codec, context);
    this.#streams = streams;
  }

  protected override async run(): Promise<unknown> {
    const { input, items } = this.#streams;
    const { hasInput, handler, yields, checks } = this.served;
    const args: unknown[] = hasInput ? [await this.checkInput(input)] : [];
    if (items !== undefined) args.push(new RecordStream(new ReceivedItems(items, this.codec, this.served)));
    try {
      const outcome = await handler(...args, this.context);
      if (yields) await this.#send(outcome);
      return yields || checks.output === undefined ? outcome : await this.checkOutput(outcome);
    } finally {
      if (items?.isEnded === false) items.stop();
    }
  }

  /** All that the handler yields. */
  async #send(outcome: unknown): Promise<void> {
    const { signal } = this.#streams.inner.context;
    const { yields } = this.served.checks;
    const validate = this.service.validates && yields !== undefined;
    const pump = new Pump(outcome, this.#begin(), validate ? (item) => this.#checkItem(item) : undefined);
    const stop = () => pump.stop();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await pump.run();
    } catch (error) {
      throw error instanceof CodecError ? this.invalidOutput(error.message) : error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    if (pump.isStopped) signal.throwIfAborted();
  }

  /** As with outputs: the item itself goes. */
  #checkItem(item: unknown): unknown {
    const { checks, name } = this.served;
    const checked = check(checks.yields, item, "INVALID_OUTPUT", "item", name);
    return isThenable(checked) ? checked.then(() => item) : item;
  }

  #begin(): ItemWriter {
    this.#writer = new ItemWriter(this.#streams.inner.begin(), this.codec.id);
    return this.#writer;
  }

  protected override reply(bytes: Uint8Array): void {
    if (this.served.yields) this.#end(bytes);
    else this.#streams.inner.reply(bytes);
  }

  protected override refuse(code: FailureName, text: string): void {
    if (this.#writer === undefined) this.#streams.inner.fail(code, text);
    else this.#end(failedReply(code, text));
  }

  #end(last: Uint8Array): void {
    (this.#writer ?? this.#begin()).end(last);
    this.#streams.inner.end();
  }
}
