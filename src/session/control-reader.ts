import type { FrameDecoder } from "../wire/decode.js";

/** Collects the payload of a control frame; nearly always it comes in one part and nothing is copied. */
export class ControlReader {
  #parts: Buffer[] = [];

  /** Returns the whole payload with its last part, borrowed; `undefined` before. */
  take(frame: FrameDecoder, bytes: Buffer, start: number, end: number): Buffer | undefined {
    const part = bytes.subarray(start, end);
    if (frame.remaining > 0) {
      this.#parts.push(Buffer.from(part));
      return undefined;
    }
    if (this.#parts.length === 0) return part;
    const payload = Buffer.concat([...this.#parts, part]);
    this.#parts = [];
    return payload;
  }
}
