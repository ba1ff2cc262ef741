import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dial } from "../../src/index.js";
import { EARSHOT, listening, Program, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { client, codeOf, LIMIT, untilExists, untilGone } from "./helpers.js";

test("listen --once ends with 0 after one message, and refuses those that came meanwhile", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--once", "--echo"]);
  const sender = await client(t, path);
  const results = await Promise.allSettled(["a", "b", "c"].map((message) => sender.send(message)));
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? result.value.text() : codeOf(result.reason))),
    ["a", "HANDLER_FAILED", "HANDLER_FAILED"],
  );
  const { code, stdout } = await server.ended;
  assert.equal(stdout.toString(), "a\n");
  assert.equal(code, 0);
  assert.ok(!existsSync(path));
});

test("listen --once goes on after a message whose handler failed", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--once", "--exec", "grep -q good"]);
  const sender = await client(t, path);
  await assert.rejects(sender.send("bad"), { code: "HANDLER_FAILED" });
  await sender.send("good");
  assert.equal((await server.ended).code, 0);
});

test(
  "listen ends quietly with 0 when its reader goes away, and fails the message that it could not print",
  LIMIT,
  async (t) => {
    const path = join(temporaryDirectory(t), "s");
    const pipeline = `"${process.execPath}" "${EARSHOT}" listen "${path}" --quiet; echo "code $?" >&2`;
    const shell = new Program(t, "sh", ["-c", `{ ${pipeline}; } | head -1`]);
    while ((await run(t, ["ping", path])).code !== 0);
    const sender = await client(t, path);
    await sender.send("first");
    await shell.says("stdout", "first\n");
    // head reads, prints and leaves; a message may still fit into the pipe in between.
    let failure: unknown;
    while (failure === undefined) failure = await sender.send("more").catch((error) => error);
    assert.equal(codeOf(failure), "HANDLER_FAILED");
    const { stderr, stdout } = await shell.ended;
    assert.equal(stderr, "code 0\n");
    assert.equal(stdout.toString(), "first\n");
  },
);

test("listen exits with 1 when its output cannot be written", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const script = `exec "${process.execPath}" "${EARSHOT}" listen "${path}" > /dev/full`;
  const server = new Program(t, "sh", ["-c", script]);
  await server.says("stderr", "listening on");
  await assert.rejects((await client(t, path)).send("x"), { code: "HANDLER_FAILED" });
  const { code, stderr } = await server.ended;
  assert.match(stderr, /earshot: ENOSPC/);
  assert.equal(code, 1);
});

test("listen acknowledges nothing before its output has taken it", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, [], { isStdoutUnread: true });
  const sender = await client(t, path);
  const large = randomBytes(4 << 20);
  let isAcknowledged = false;
  const sent = sender.send(large).then(() => {
    isAcknowledged = true;
  });
  // It still answers, and a signal still ends it: only the message waits.
  await sender.ping();
  await (await client(t, path)).ping();
  assert.equal(isAcknowledged, false);
  server.readStdout();
  await sent;
  await server.until(() => server.stdout.length >= large.length, "all bytes");
  assert.ok(server.stdout.equals(large));
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(`listen finishes what it has in hand at ${signal}, removes the file, and exits with 0`, LIMIT, async (t) => {
    const path = join(temporaryDirectory(t), "s");
    const go = join(temporaryDirectory(t), "go");
    const server = await listening(t, path, ["--exec", `mkfifo "${go}"; echo ready >&2; cat "${go}"`, "--verbose"]);
    const sent = (await client(t, path)).send("x");
    await server.says("stdout", "x\n");
    await untilExists(go);
    server.signal(signal);
    await untilGone(path);
    await assert.rejects(dial(path), { code: "NO_SERVER" });
    await new Program(t, "sh", ["-c", `echo done > "${go}"`]).ended;
    assert.equal((await sent).text(), "done\n");
    const { code } = await server.ended;
    assert.equal(code, 0);
  });
}

test("a second signal cuts what is in hand, kills its command, and ends at once", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const fifo = join(temporaryDirectory(t), "fifo");
  // Whoever reads the pipe sees its end when the last who can write is gone.
  const command = `mkfifo "${fifo}"; exec 9> "${fifo}"; echo begun >&9; sleep 100`;
  const server = await listening(t, path, ["--exec", command]);
  const sent = (await client(t, path)).send("x").catch(codeOf);
  await untilExists(fifo);
  const reader = new Program(t, "cat", [fifo]);
  await reader.says("stdout", "begun\n");
  server.signal("SIGINT");
  await untilGone(path);
  server.signal("SIGTERM");
  const { code, signal } = await server.ended;
  await reader.ended;
  assert.deepEqual({ code, signal }, { code: 143, signal: null });
  assert.equal(await sent, "CONNECTION_LOST");
});
