import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { EXIT_OF_ERROR } from "../../src/cli/exit-codes.js";
import type { ErrorCode } from "../../src/index.js";
import { ROOT } from "../support/process.js";
import { documents, read } from "./documents.js";

const CODES = Object.keys(EXIT_OF_ERROR) as ErrorCode[];

/** Without blocks and code, where brackets are something else. */
function prose(document: string): string {
  return read(document)
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .replaceAll(/`[^`\n]*`/g, "code");
}

/** The names by which headings can be linked to, as GitHub makes them. */
function anchors(document: string): Set<string> {
  const text = read(document).replaceAll(/^```[\s\S]*?^```$/gm, "");
  const headings = Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("links between the documents lead to a file that is there, and to a heading of it", () => {
  const wrong: string[] = [];
  for (const document of documents()) {
    for (const [, target = ""] of prose(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? document : normalize(join(dirname(document), path));
      if (!existsSync(ROOT + file)) wrong.push(`${document}: ${target}`);
      else if (anchor !== undefined && !anchors(file).has(anchor)) wrong.push(`${document}: ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every document of the guide is in its table of contents, and README leads to that", () => {
  const contents = read("docs/README.md");
  const missing = documents().filter((path) => path.startsWith("docs/") && path !== "docs/README.md");
  assert.deepEqual(
    missing.filter((path) => !contents.includes(`](${path.slice("docs/".length)})`)),
    [],
  );
  assert.match(read("README.md"), /\]\(docs\/README\.md\)/);
});

for (const document of ["README.md", "docs/errors.md"]) {
  test(`every error has a heading in ${document}, in the order of the list`, () => {
    const headings = Array.from(read(document).matchAll(/^### (\w+)$/gm), ([, heading]) => heading);
    assert.deepEqual(
      headings.filter((heading) => /^[A-Z_]+$/.test(String(heading))),
      CODES,
    );
  });
}

test("no document is longer than 300 lines", () => {
  const long = documents().filter((path) => path.startsWith("docs/") && read(path).split("\n").length > 300);
  assert.deepEqual(long, []);
});
