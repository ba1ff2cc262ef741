import { memoryPair } from "../../src/transport/memory.js";
import { testTransport } from "./suite.js";

testTransport("memory", async () => memoryPair());

let piece = 0;
testTransport("memory, cut into pieces,", async () =>
  memoryPair({
    bufferBytes: 10_007,
    pieceBytes() {
      piece = (piece * 7 + 13) % 3_001;
      return piece;
    },
  }),
);
