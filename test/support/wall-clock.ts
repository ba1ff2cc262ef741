import type { TestContext } from "node:test";

/** Sets the clock of this process by so much, as an administrator would, until the test ends. */
export function setClock(t: TestContext, byMs: number): void {
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + byMs);
}
