import { EarshotError } from "../errors.js";
import { type Descriptor, Message } from "../message.js";
import { type Duplex, toDuplex } from "./duplex.js";
import type { Inflow, Reader, Writer } from "./flow.js";
import { Pieces } from "./pieces.js";

/** The largest message that `collect` puts together where nothing is said. */
const DEFAULT_COLLECT_BYTES = 67_108_864;

/** What its maker knows of a streamed message. */
export interface Origin {
  readonly reader: Reader;
  readonly descriptors: readonly Descriptor[];
  /** Called when its reader leaves before the end. */
  readonly leave: () => void;
  /** Of a message to a server: begins an answer that is written bit by bit. */
  readonly begin?: () => Writer;
}

/**
 * What one side sends, as it comes. Whoever got it reads it to its end, or leaves: by breaking out of the loop, or
 * when its handler settles.
 */
export class StreamedMessage implements Disposable {
  /** The open files that came with it, as with a `Message`. */
  readonly descriptors: readonly Descriptor[];
  readonly #origin: Origin;
  #isTaken = false;
  #isLeft = false;
  #writer: Writer | undefined;

  /** @internal */
  constructor(origin: Origin) {
    this.#origin = origin;
    this.descriptors = origin.descriptors;
  }

  /** @internal both directions, for what needs no streams. */
  static flow(message: StreamedMessage): { readonly in: Inflow; readonly out: Writer } {
    const { reader, begin } = message.#take();
    if (begin === undefined) throw new EarshotError("INVALID_ARGUMENT", "Cannot accept a reply: only a message");
    message.#writer = begin();
    return { in: reader, out: message.#writer };
  }

  /** @internal what the answer is written to, if it is. */
  static accepted(message: StreamedMessage): Writer | undefined {
    return message.#writer;
  }

  /** @internal the exchange has broken off. */
  static fail(message: StreamedMessage, error: EarshotError): void {
    message.#origin.reader.fail(error);
  }

  /** How many bytes it has all in all, if its sender knew when it began. */
  get sizeBytes(): number | undefined {
    return this.#origin.reader.sizeBytes;
  }

  /**
   * Its bytes, in pieces of any size, once. The other side is held back while nothing is asked for; who breaks out of the
   * loop wants no more: a reply's sender is cancelled, a message's sender only stops.
   *
   * @throws EarshotError while it is read: `CONNECTION_LOST`, `HANDLER_FAILED`, `CANCELLED`, `TIMEOUT`, ...
   */
  get body(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.#read(this.#take()) };
  }

  /**
   * The whole of it, in memory.
   *
   * @param options.maxBytes default 64 MiB
   * @throws EarshotError `MESSAGE_TOO_LARGE`, which is also what the caller is told if a handler lets it pass; and as `body`
   */
  async collect(options: { readonly maxBytes?: number | undefined } = {}): Promise<Message> {
    const { maxBytes = DEFAULT_COLLECT_BYTES } = options;
    const origin = this.#take();
    // Most messages are there whole, in one piece.
    const first = this.#isLeft ? undefined : origin.reader.read();
    const pieces = new Pieces();
    if (first !== undefined) pieces.add(first);
    const isWhole = !this.#isLeft && origin.reader.isEnded;
    for await (const chunk of isWhole || pieces.length > maxBytes ? [] : this.#read(origin)) {
      pieces.add(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
      if (pieces.length > maxBytes) break;
    }
    if (pieces.length > maxBytes) {
      if (!origin.reader.isEnded) origin.leave();
      throw new EarshotError("MESSAGE_TOO_LARGE", `Cannot collect the message: it has more than ${maxBytes} bytes`);
    }
    return Message.withDescriptors(new Message(pieces.join(), 0, pieces.length), this.descriptors);
  }

  /**
   * For a handler whose protocol brings its own framing: both directions. What is written is the reply; when the handler
   * settles, both end.
   *
   * @throws EarshotError `INVALID_ARGUMENT` for a reply, or if its body was taken
   */
  accept(): Duplex {
    const { in: incoming, out } = StreamedMessage.flow(this);
    return toDuplex(incoming, out);
  }

  /** Wants no more of it, and closes the descriptors that were not taken. */
  [Symbol.dispose](): void {
    for (const descriptor of this.descriptors) descriptor[Symbol.dispose]();
    if (this.#origin.reader.isEnded) return;
    this.#isLeft = true;
    this.#origin.leave();
  }

  #take(): Origin {
    if (this.#isTaken) throw new EarshotError("INVALID_ARGUMENT", "Cannot read the message twice: its body was taken");
    this.#isTaken = true;
    return this.#origin;
  }

  async *#read({ reader, leave }: Origin): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = reader.read();
        if (chunk !== undefined) yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
        else if (this.#isLeft)
          throw new EarshotError("CANCELLED", "Cannot read on: the message was let go before its end");
        else if (reader.isEnded) return;
        else await reader.readable();
      }
    } finally {
      if (!reader.isEnded) leave();
    }
  }
}
