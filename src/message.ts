import { EarshotError } from "./errors.js";

/** An open file that came with a message. Whoever has it closes it, or takes it. */
export interface Descriptor extends Disposable {
  /** Its number in this process, as `node:fs` and `node:net` take it. Throws when it was taken or closed. */
  readonly fd: number;
  /** From now on it is the caller's to close: nothing of earshot will. Returns its number. */
  take(): number;
}

const NONE: readonly Descriptor[] = [];

/**
 * What one side sent, whole. Its bytes are its own: they stay valid for as long as it is kept. Only where `body: "borrowed"` was
 * asked for is the memory of large ones taken back: when the handler has settled, or when the message or reply is disposed of.
 */
export class Message implements Disposable {
  /**
   * The open files that came with it. Those that a handler has not taken are closed when it settles; those of a reply
   * are the caller's: `using reply = await client.send(...)` closes what was not taken.
   */
  readonly descriptors: readonly Descriptor[] = NONE;
  /** `undefined` when it was taken back. */
  #source: Buffer | undefined;
  readonly #start: number;
  readonly #end: number;
  #bytes: Uint8Array | undefined;

  /** @internal */
  constructor(source: Buffer, start: number, end: number) {
    this.#source = source;
    this.#start = start;
    this.#end = end;
  }

  /** @internal */
  static withDescriptors(message: Message, descriptors: readonly Descriptor[]): Message {
    (message as { descriptors: readonly Descriptor[] }).descriptors = descriptors;
    return message;
  }

  /** @internal what somebody reads from the bytes where they are. */
  static read<T>(message: Message, reader: { read(source: Buffer, start: number, end: number): T }): T {
    return reader.read(message.#read(), message.#start, message.#end);
  }

  /** @internal Ends what was only lent; returns whether its memory was shown to anybody. */
  static takeBack(message: Message): boolean {
    message.#source = undefined;
    return message.#bytes !== undefined;
  }

  /** Closes the descriptors that came with it and were not taken; what was only lent is given back. */
  [Symbol.dispose](): void {
    for (const descriptor of this.descriptors) descriptor[Symbol.dispose]();
  }

  /** How many bytes it has. */
  get byteLength(): number {
    return this.#end - this.#start;
  }

  /** The bytes as they came; no copy, the same view each time. */
  get bytes(): Uint8Array {
    if (this.#source === undefined || this.#bytes === undefined) {
      const { memory, offset } = memoryOf(this.#read());
      this.#bytes = new Uint8Array(memory, offset + this.#start, this.byteLength);
    }
    return this.#bytes;
  }

  /** A copy of the bytes, the caller's own. */
  copy(): Uint8Array {
    return new Uint8Array(this.#read().subarray(this.#start, this.#end));
  }

  /** The bytes as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return this.#read().toString("utf8", this.#start, this.#end);
  }

  /**
   * The bytes parsed as JSON. The result is what the other side sent: check it before you trust it.
   *
   * @throws EarshotError `INVALID_JSON`
   */
  json(): unknown {
    const text = this.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EarshotError("INVALID_JSON", `Cannot read the message as JSON: ${reason}`, { op: "receive", cause });
    }
  }
  #read(): Buffer {
    if (this.#source !== undefined) return this.#source;
    const over = "its handler has settled, or it was disposed of";
    const fact = `${over}, and it was only lent (body: "borrowed"); copy() keeps the bytes`;
    throw new EarshotError("INVALID_ARGUMENT", `Cannot read the message: ${fact}`, { op: "receive" });
  }
}

/** Larger ones are not kept in mind: they would be kept in memory. */
const SMALL_BYTES = 16_384;

/** Where the bytes of the last small buffer are: many messages share one, and to ask it is a call that leaves JavaScript. */
let last: { readonly source: Buffer; readonly memory: ArrayBufferLike; readonly offset: number } | undefined;

function memoryOf(source: Buffer): { readonly memory: ArrayBufferLike; readonly offset: number } {
  if (last?.source === source) return last;
  const found = { source, memory: source.buffer, offset: source.byteOffset };
  if (source.length <= SMALL_BYTES) last = found;
  return found;
}

/** @internal One that is read where the other side wrote it, until it is disposed of. */
export class BorrowedMessage extends Message {
  readonly #memory: ArrayBufferLike;
  #giveBack: (() => void) | undefined;

  /** @param giveBack called once; from then on nobody reads it */
  constructor(source: Buffer, giveBack: () => void) {
    super(source, 0, source.length);
    this.#memory = source.buffer;
    this.#giveBack = giveBack;
  }

  /** Whether they are a part of it. */
  contains(bytes: string | Uint8Array): boolean {
    return typeof bytes !== "string" && bytes.buffer === this.#memory;
  }

  /** As that of other messages; of a copy: what decodes text reads it twice, and the other side may write in between. */
  override text(): string {
    const { buffer, byteOffset, length } = this.copy();
    return Buffer.from(buffer, byteOffset, length).toString("utf8");
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    Message.takeBack(this);
    const giveBack = this.#giveBack;
    this.#giveBack = undefined;
    giveBack?.();
  }
}
