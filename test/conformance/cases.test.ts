import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { CASES } from "./cases.js";

test("every suite has its tests, or its reasons", () => {
  const here = new URL(".", import.meta.url);
  const texts = readdirSync(here)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(new URL(name, here), "utf8"));
  const missing = Object.keys(CASES).filter((suite) => !texts.some((text) => text.includes(`"${suite}"`)));
  assert.deepEqual(missing, []);
  assert.equal(Object.keys(CASES).length, 32);
});
