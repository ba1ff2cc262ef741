import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { dial, EarshotError } from "../../src/index.js";

export const LIMIT = { timeout: 60_000 };

export async function client(t: TestContext, path: string, wire: "framed" | "plain" = "framed") {
  const dialed = await dial(path, { wire });
  t.after(() => dialed.close({ graceMs: 0 }));
  return dialed;
}

export function codeOf(error: unknown): string {
  return error instanceof EarshotError ? error.code : String(error);
}

export async function untilExists(path: string): Promise<void> {
  while (!existsSync(path)) await new Promise((resolve) => setImmediate(resolve));
}

export async function untilGone(path: string): Promise<void> {
  while (existsSync(path)) await new Promise((resolve) => setImmediate(resolve));
}
