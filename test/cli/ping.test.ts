import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ListenOptions, listen } from "../../src/index.js";
import { run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };

async function serve(t: TestContext, options: ListenOptions = {}): Promise<string> {
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, () => assert.fail("a ping is no message"), options);
  t.after(() => server.close({ graceMs: 0 }));
  return path;
}

test("ping prints who answered and how fast", LIMIT, async (t) => {
  const path = await serve(t);
  const { code, stdout, stderr } = await run(t, ["ping", path]);
  assert.match(stdout.toString(), new RegExp(`^pong from unix:${path} in \\d+\\.\\d\\d ms\n$`));
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("ping prints the server's application, harmless to a terminal", LIMIT, async (t) => {
  const path = await serve(t, { app: { name: "notes\x1b[2J", version: "1.2.3" } });
  const { stdout } = await run(t, ["ping", path]);
  assert.match(stdout.toString(), / ms \(notes\\u001b\[2J 1\.2\.3\)\n$/);
});

test("ping --json prints one object", LIMIT, async (t) => {
  const path = await serve(t, { app: { name: "notes", version: "1.2.3" } });
  const { roundTripMs, ...rest } = JSON.parse((await run(t, ["ping", path, "--json"])).stdout.toString());
  assert.deepEqual(rest, { ok: true, address: `unix:${path}`, app: { name: "notes", version: "1.2.3" } });
  assert.ok(roundTripMs > 0);
});

test("ping --quiet answers with its exit code only", LIMIT, async (t) => {
  const path = await serve(t);
  const { code, stdout, stderr } = await run(t, ["ping", path, "--quiet"]);
  assert.equal(stdout.toString() + stderr, "");
  assert.equal(code, 0);
});

test("ping --verbose logs", LIMIT, async (t) => {
  const path = await serve(t);
  assert.match((await run(t, ["ping", path, "--verbose"])).stderr, /earshot: debug: client connected/);
});

test("ping exits with 3 when there is no server, and when one has left its file", LIMIT, async (t) => {
  const { code, stderr } = await run(t, ["ping", join(temporaryDirectory(t), "none")]);
  assert.match(stderr, /^earshot: Cannot dial ".*\/none": there is no such file/);
  assert.equal(code, 3);
});

test("ping exits with 4 at a file that is no socket", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "file");
  writeFileSync(path, "");
  const { code, stderr } = await run(t, ["ping", path]);
  // The kernel does not tell a file from a dead socket.
  assert.match(stderr, /^earshot: Cannot dial /);
  assert.ok(code === 4 || code === 3, stderr);
});

test("ping exits with 6 when nothing comes back in time", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = createServer().listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  const { code, stderr } = await run(t, ["ping", path, "--timeout-ms", "200"]);
  assert.match(stderr, /^earshot: Cannot ping .*: no reply within \d+ ms\n$/);
  assert.equal(code, 6);
});
