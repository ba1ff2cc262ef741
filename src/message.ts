import { EarshotError } from "./errors.js";

/**
 * What one side sent, whole. Its bytes are its own: they stay valid for as long as it is kept.
 */
export class Message {
  readonly #source: Buffer;
  readonly #start: number;
  readonly #end: number;
  #bytes: Uint8Array | undefined;

  /** @internal */
  constructor(source: Buffer, start: number, end: number) {
    this.#source = source;
    this.#start = start;
    this.#end = end;
  }

  /** How many bytes it has. */
  get byteLength(): number {
    return this.#end - this.#start;
  }

  /** The bytes as they came; no copy, the same view each time. */
  get bytes(): Uint8Array {
    this.#bytes ??= new Uint8Array(this.#source.buffer, this.#source.byteOffset + this.#start, this.byteLength);
    return this.#bytes;
  }

  /** The bytes as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return this.#source.toString("utf8", this.#start, this.#end);
  }

  /**
   * The bytes parsed as JSON. The result is what the other side sent: check it before you trust it.
   *
   * @throws EarshotError `INVALID_JSON`
   */
  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EarshotError("INVALID_JSON", `Cannot read the message as JSON: ${reason}`, { op: "receive", cause });
    }
  }
}
