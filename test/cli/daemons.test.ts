import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EARSHOT, listening, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { LIMIT, untilGone } from "./helpers.js";

test("listen --idle-exit-ms ends with 0 when nobody has called for so long", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--echo", "--idle-exit-ms", "3000"]);
  assert.equal((await run(t, ["send", path, "hello"])).stdout.toString(), "hello");
  assert.equal((await server.ended).code, 0);
  assert.ok(!existsSync(path));
});

test("send --start starts what is not there, once, and ends without it", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const server = `echo started; exec "${process.execPath}" "${EARSHOT}" listen "${path}" --echo --idle-exit-ms 5000 --quiet`;
  for (const text of ["one", "two"]) {
    const { code, stdout, stderr } = await run(t, ["send", path, text, "--start", server]);
    assert.deepEqual([code, stdout.toString(), stderr], [0, text, ""]);
  }
  await untilGone(path);
  assert.equal(readFileSync(join(directory, ".s.log"), "utf8").match(/started/g)?.length, 1);
});

test("send --start tells what the command has said when it fails", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const { code, stderr } = await run(t, ["send", path, "x", "--start", "echo no database >&2; exit 3"]);
  assert.equal(code, 3);
  assert.match(
    stderr,
    /^earshot: Cannot dial "unix:.*": the server was started and ended with exit code 3 before it was ready; /,
  );
  assert.match(stderr, /no database\n$/);
  const json = await run(t, ["send", path, "x", "--json", "--start", "exit 3"]);
  assert.equal(JSON.parse(json.stderr).code, "START_FAILED");
  assert.deepEqual(readdirSync(directory), [".s.log"]);
});

test("wrong values are usage errors", LIMIT, async (t) => {
  const idle = await run(t, ["listen", "x", "--idle-exit-ms", "soon"]);
  assert.deepEqual([idle.code, /--idle-exit-ms "soon": a whole number/.test(idle.stderr)], [2, true]);
  const start = await run(t, ["send", "x", "y", "--start", ""]);
  assert.deepEqual([start.code, /--start "": a command is needed/.test(start.stderr)], [2, true]);
});
