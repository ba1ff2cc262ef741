import { EarshotError } from "../../src/errors.js";
import { FrameDecoder } from "../../src/wire/decode.js";
import { lend } from "../support/bytes.js";
import type { Decoded, Frame } from "./reference.js";

/** What the real decoder finds in these pieces, in the form of the reference. */
export function collect(pieces: readonly Uint8Array[]): Decoded {
  const frames: Frame[] = [];
  let parts: Buffer[] = [];
  const decoder = new FrameDecoder({
    onWhole: () => false,
    onHeader() {
      parts = [];
    },
    onPayload({ type, flags, exchange, remaining }, bytes, start, end) {
      parts.push(Buffer.from(bytes.subarray(start, end)));
      const payload = Buffer.concat(parts).toString("hex");
      if (remaining === 0) frames.push({ type, flags, exchange: BigInt(exchange), payload });
    },
  });
  try {
    for (const piece of pieces) lend(piece, (bytes) => decoder.push(bytes));
  } catch (error) {
    if (!(error instanceof EarshotError) || error.code !== "PROTOCOL_VIOLATION") throw error;
    return { frames, error: "PROTOCOL_VIOLATION", isComplete: false };
  }
  return { frames, error: undefined, isComplete: decoder.isAtBoundary };
}
