import { randomBytes } from "node:crypto";
import { chooseSockets } from "../../src/transport/kind.js";

const HAS_EXACT_NAMES = chooseSockets("auto").kind === "native" || Number.parseInt(process.version.slice(1), 10) >= 22;

/** Where the system, and the addon or Node have abstract names; elsewhere they are refused as `UNSUPPORTED`. */
export const HAS_ABSTRACT_NAMES = process.platform === "linux" && HAS_EXACT_NAMES;

/** An abstract address that nobody else has. */
export function abstractAddress(): string {
  return `unix:@earshot-test-${randomBytes(8).toString("hex")}`;
}
