import { failure } from "../errors.js";
import { Message } from "../message.js";
import type { Client } from "../peer/client.js";
import { Pending, type WaitOptions } from "../peer/pending.js";
import { RecordStream } from "../peer/record-stream.js";
import type { OpenOptions } from "../peer/send-options.js";
import { ClientStream } from "./client-stream.js";
import { type Codec, CodecError, type CodecName } from "./codec.js";
import { CODEC_NAMES, codecFor } from "./codecs.js";
import { writeHeaders } from "./headers.js";
import type { Plan } from "./plan.js";
import { readReply } from "./reply.js";
import type { CallOptions, Stream } from "./types.js";
import { upload } from "./upload.js";
import { Writer } from "./writer.js";

/** What the calls of one side have in common. */
export class Caller {
  readonly client: Client;
  readonly codec: Codec;
  /** The longest item that is taken. */
  readonly maxMessageBytes: number;
  readonly #writer = new Writer();
  readonly #timeoutMs: number | undefined;
  readonly #defaults: WaitOptions | undefined;
  /** Whose reply is read. */
  #plan: Plan | undefined;

  constructor(client: Client, codec: CodecName, timeoutMs: number | undefined, maxMessageBytes: number) {
    this.client = client;
    this.codec = codecFor(CODEC_NAMES.indexOf(codec) + 1, this.#writer);
    this.maxMessageBytes = maxMessageBytes;
    this.#timeoutMs = timeoutMs;
    this.#defaults = timeoutMs === undefined ? undefined : { timeoutMs };
  }

  /** One message, one reply. */
  unary(plan: Plan, input: unknown, options: CallOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      plan.unary ??= { ...plan.origin, read: (message) => this.output(plan, message) };
      const retry = options?.retry ?? this.client.sender.retry;
      if (retry !== false || options?.id !== undefined) {
        const body = this.encode(plan, input, options);
        // Its headers are in the call itself.
        this.client.sender.persist(
          plan.unary,
          body,
          { ...this.limits(options), id: options?.id, retry },
          { resolve, reject },
        );
        return;
      }
      const pending = new Pending(plan.unary, this.encode(plan, input, options, true), resolve, reject);
      pending.lender = this.#writer;
      this.client.sender.begin(pending, this.limits(options));
    });
  }

  /** The caller's items go, and one reply comes. */
  upload(plan: Plan, input: unknown, items: unknown, options: CallOptions | undefined): Promise<unknown> {
    return upload(this, plan, input, items, options);
  }

  /** Items come; the caller's go where the procedure accepts some. */
  stream(plan: Plan, input: unknown, items: unknown, options: CallOptions | undefined): Stream<unknown> {
    return new RecordStream(new ClientStream(this, plan, input, items, options));
  }

  /** The output of a reply; where its validator is asynchronous, a promise. @throws EarshotError */
  output(plan: Plan, message: Message): unknown {
    this.#plan = plan;
    return Message.read(message, this);
  }

  /** @internal for `output` */
  read(source: Buffer, start: number, end: number): unknown {
    return this.#plan === undefined ? undefined : readReply(this.#plan, this.codec, source, start, end);
  }

  /**
   * A call up to the end of its input.
   *
   * @param lends whether the writer only lends it
   * @throws EarshotError `INVALID_ARGUMENT`
   */
  encode(plan: Plan, input: unknown, options: CallOptions | undefined, lends = false): Uint8Array {
    const writer = this.#writer;
    const headers = options?.headers;
    try {
      writer.begin();
    } catch (error) {
      throw this.unsendable(plan, "input", error);
    }
    try {
      writer.raw(headers === undefined ? plan.prefix : plan.prefixWithHeaders);
      if (headers !== undefined) writeHeaders(headers, writer);
      const mark = writer.mark();
      if (plan.accepts) writer.uint32(0);
      if (plan.hasInput) this.codec.encode(input);
      if (plan.accepts) writer.setUint32(mark, writer.mark() - mark - 4);
      return lends ? writer.lend() : writer.take();
    } catch (error) {
      writer.drop();
      throw this.unsendable(plan, "input", error);
    }
  }

  /** What the caller has given cannot go. */
  unsendable(plan: Plan, what: string, error: unknown): unknown {
    if (!(error instanceof CodecError)) return error;
    const { procedure, address } = { procedure: plan.name, address: plan.origin.address };
    return failure("INVALID_ARGUMENT", "call", address, `the ${what} cannot be sent: ${error.message}`, { procedure });
  }

  /** When to give up. */
  limits(options: CallOptions | undefined): OpenOptions | undefined {
    if (options === undefined) return this.#defaults;
    const { signal, timeoutMs = this.#timeoutMs, retry } = options;
    const isPlain = signal === undefined && timeoutMs === undefined && retry === undefined;
    return isPlain ? undefined : { signal, timeoutMs, retry };
  }
}
