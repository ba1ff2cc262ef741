import { randomBytes } from "node:crypto";

/** Where the system and Node have abstract names; elsewhere they are refused as `UNSUPPORTED`. */
export const HAS_ABSTRACT_NAMES = process.platform === "linux" && Number.parseInt(process.version.slice(1), 10) >= 22;

/** An abstract address that nobody else has. */
export function abstractAddress(): string {
  return `unix:@earshot-test-${randomBytes(8).toString("hex")}`;
}
