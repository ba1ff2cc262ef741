import type { Inflow } from "../../src/peer/flow.js";

/** A direction of which these pieces have come, and then the end. */
export function fakeInflow(pieces: readonly Uint8Array[]): Inflow {
  const left = pieces.map((piece) => Buffer.from(piece)).filter((piece) => piece.length > 0);
  return {
    read: () => left.shift(),
    get isEnded() {
      return left.length === 0;
    },
    readable: () => Promise.resolve(),
    stop: () => left.splice(0),
  };
}
