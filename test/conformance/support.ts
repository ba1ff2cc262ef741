import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { Chunks } from "../../src/index.js";
import { CASES } from "./cases.js";

type Check = (t: TestContext) => Promise<void>;

/** Runs the cases of a suite, each under its own name; those of `reasons` have no meaning here, and say why. */
export function conform(
  suite: string,
  checks: Readonly<Record<string, Check>>,
  reasons: Readonly<Record<string, string>> = {},
): void {
  describe(suite, () => {
    for (const [name, check] of Object.entries(checks)) test(name, check);

    test("every case of the suite is tested, or there is a reason why not", () => {
      const both = Object.keys(checks).filter((name) => name in reasons);
      assert.deepEqual(both, []);
      assert.deepEqual([...Object.keys(checks), ...Object.keys(reasons)].sort(), [...(CASES[suite] ?? [])].sort());
    });
  });
}

/** One reason for many cases. */
export function because(reason: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}

/** Yields these, one after the other, and then waits for whatever is given. */
export async function* chunks(texts: readonly string[], then?: Promise<unknown>): AsyncGenerator<string> {
  yield* texts;
  await then;
}

/** A message that is begun and not ended, until somebody stops asking for more of it. */
export function unfinished(text: string): { readonly source: Chunks; readonly left: Promise<void> } {
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const source: AsyncIterable<string> = {
    [Symbol.asyncIterator]() {
      let isFirst = true;
      return {
        next: () => {
          if (!isFirst) return new Promise(() => {});
          isFirst = false;
          return Promise.resolve({ done: false, value: text });
        },
        return: () => {
          leave();
          return Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  };
  return { source, left };
}
