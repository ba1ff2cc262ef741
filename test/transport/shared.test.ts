import { hasNative, ringPair } from "./rings.js";
import { testTransport } from "./suite.js";

if (hasNative) {
  testTransport("shared", async () => ringPair(262_144));
  testTransport("shared, of the smallest ring,", async () => ringPair(65_536));
}
