import { readFileSync } from "node:fs";

/** Put in by the build; missing when the source itself runs. */
declare const EARSHOT_VERSION: string | undefined;

export function readVersion(): string {
  if (typeof EARSHOT_VERSION === "string") return EARSHOT_VERSION;
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return version;
}
