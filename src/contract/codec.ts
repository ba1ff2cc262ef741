/** Turns values to bytes and back. Both throw a `CodecError` and nothing else, whatever they are given. */
export interface Codec {
  /** Its number in the first bytes of a call. */
  readonly id: number;
  /** Appends a value to the writer that it was made for. What it wrote before it failed stays there, to be dropped. */
  encode(value: unknown): void;
  /** Reads the value that is all of these bytes; binary in it is a view of them. */
  decode(source: Buffer, start: number, end: number): unknown;
}

/** How values travel: see `ConnectOptions.codec`. */
export type CodecName = "msgpack" | "json";

/** A value that the codec does not carry, or bytes that are none: a fact, without what was being done. */
export class CodecError extends Error {
  override readonly name = "CodecError";
}
