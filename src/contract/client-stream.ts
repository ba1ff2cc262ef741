import { EarshotError } from "../errors.js";
import { RecordReader } from "../peer/record-reader.js";
import type { RecordSource } from "../peer/record-stream.js";
import type { StreamedPending } from "../peer/streamed-pending.js";
import type { Caller } from "./caller.js";
import type { Plan } from "./plan.js";
import { readItem, readReply } from "./reply.js";
import { Sending } from "./sending.js";
import type { CallOptions } from "./types.js";

/** What a server streams to its caller. */
export class ClientStream implements RecordSource<unknown> {
  readonly #caller: Caller;
  readonly #plan: Plan;
  #input: unknown;
  #items: unknown;
  readonly #options: CallOptions | undefined;
  #pending: StreamedPending | undefined;
  #sending: Sending | undefined;

  constructor(caller: Caller, plan: Plan, input: unknown, items: unknown, options: CallOptions | undefined) {
    this.#caller = caller;
    this.#plan = plan;
    this.#input = input;
    this.#items = items;
    this.#options = options;
  }

  open(): RecordReader {
    const caller = this.#caller;
    const plan = this.#plan;
    const head = caller.encode(plan, this.#input, this.#options);
    const limits = caller.limits(this.#options);
    const pending = caller.client.sender.exchange(plan.origin, plan.accepts ? undefined : head, limits);
    this.#pending = pending;
    if (plan.accepts) {
      pending.writer?.write(head);
      this.#sending = new Sending(caller, plan, this.#items, pending);
    }
    this.#input = undefined;
    this.#items = undefined;
    return new RecordReader(pending.reader, { maxBytes: caller.maxMessageBytes });
  }

  item({ source, start, end }: RecordReader): unknown {
    return readItem(this.#plan, this.#caller.codec, source, start, end);
  }

  end(reader: RecordReader): unknown {
    this.#sending?.stop();
    if (reader.isLast) return readReply(this.#plan, this.#caller.codec, reader.source, reader.start, reader.end);
    const fact = `Cannot call ${this.#plan.name}: the stream ended without its last record`;
    throw new EarshotError("PROTOCOL_VIOLATION", fact, { op: "call", procedure: this.#plan.name });
  }

  leave(): void {
    this.#sending?.stop();
    this.#pending?.breakOff("the caller reads no further");
  }

  /** The caller's own items failed: that is why. */
  explain(error: unknown): unknown {
    return this.#sending?.error ?? error;
  }
}
