import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PathWatch } from "../../src/transport/watch.js";
import { temporaryDirectory } from "../support/temp.js";

test("what came between a look and the watch is told of, and nothing is told of what is not there", (t) => {
  const path = join(temporaryDirectory(t), "s");
  let changes = 0;
  const begin = () => {
    using watch = new PathWatch(
      path,
      () => changes++,
      (error) => assert.fail(String(error)),
    );
    watch.tellIfThere();
  };
  begin();
  assert.equal(changes, 0);
  writeFileSync(path, "");
  begin();
  assert.equal(changes, 1);
});
