import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { ListenOptions } from "../../src/index.js";
import { serve } from "../peer/support.js";
import { earshot, listening } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { LIMIT } from "./helpers.js";

type Test = Parameters<typeof temporaryDirectory>[0];

/** A server that is asked again and again whether somebody has subscribed. */
async function publisher(t: Test, options?: ListenOptions) {
  const server = await serve(t, () => undefined, options);
  const subscribed = async (count: number) => {
    while (server.subscriptionCount() < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { server, subscribed };
}

test("subscribe prints each message as it comes, and ends with the server", LIMIT, async (t) => {
  const { server, subscribed } = await publisher(t);
  const program = earshot(t, ["subscribe", server.address, "jobs.>"]);
  await subscribed(1);
  await server.publish("jobs.1", "one");
  await server.publish("other", "no");
  await program.says("stdout", "one\n");
  await server.publish("jobs.2", "two\n");
  await server.publish("jobs.3", Buffer.of(0xff));
  await server.close();
  const { code, stdout, stderr } = await program.ended;
  assert.deepEqual([code, stdout.toString("latin1"), stderr], [0, "one\ntwo\n\xff", ""]);
});

test("subscribe --json tells the topic, and what is not text as base64", LIMIT, async (t) => {
  const { server, subscribed } = await publisher(t, { broadcast: { replayMessages: 5 } });
  await server.publish("a", "old");
  const program = earshot(t, ["subscribe", server.address, ">", "--json", "--replay", "1", "--count", "3"]);
  await subscribed(1);
  await server.publish("a.b", "ä");
  await server.publish("c", Buffer.of(0xff));
  const { code, stdout } = await program.ended;
  assert.equal(code, 0);
  assert.deepEqual(
    stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [
      { topic: "a", bytes: 3, text: "old", replayed: true },
      { topic: "a.b", bytes: 2, text: "ä" },
      { topic: "c", bytes: 1, base64: "/w==" },
    ],
  );
});

test("a signal ends subscribe as usual", LIMIT, async (t) => {
  const { server, subscribed } = await publisher(t);
  const program = earshot(t, ["subscribe", server.address, "a"]);
  await subscribed(1);
  await server.publish("a", "there");
  await program.says("stdout", "there");
  program.child.kill("SIGINT");
  const { code, signal } = await program.ended;
  assert.ok(signal === "SIGINT" || code === 130, `${signal} ${code}`);
});

test("subscribe whose output nobody reads loses the oldest, and says so", LIMIT, async (t) => {
  const { server, subscribed } = await publisher(t, { broadcast: { maxQueuedMessages: 2 } });
  const program = earshot(t, ["subscribe", server.address, "a"], { isStdoutUnread: true });
  await subscribed(1);
  for (let index = 0; index < 200; index++) await server.publish("a", "x".repeat(65_535));
  program.readStdout();
  await program.says("stderr", " messages had no place on the server while this side was slow\n");
  await server.close();
  const { code, stdout, stderr } = await program.ended;
  assert.equal(code, 0);
  const received = stdout.length / 65_536;
  const dropped = Array.from(stderr.matchAll(/^\d+/gm), ([count]) => Number(count)).reduce(
    (sum, count) => sum + count,
    0,
  );
  assert.equal(received + dropped, 200);
});

test("a reader that goes away ends subscribe without an error", LIMIT, async (t) => {
  const { server, subscribed } = await publisher(t);
  const program = earshot(t, ["subscribe", server.address, "a"], { isStdoutUnread: true });
  await subscribed(1);
  program.child.stdout?.destroy();
  const ended = program.ended;
  const timer = setInterval(() => void server.publish("a", "x"), 5);
  t.after(() => clearInterval(timer));
  const { code, stderr } = await ended;
  assert.deepEqual([code, stderr], [0, ""]);
});

test("what is wrong with the command line is said, and so is a server that lets nobody subscribe", LIMIT, async (t) => {
  const { server } = await publisher(t, { broadcast: { allow: () => false } });
  const cases: readonly [readonly string[], number, RegExp][] = [
    [[server.address], 2, /the PATTERN is missing/],
    [[server.address, "a", "b"], 2, /"b" is one too many after ADDRESS and PATTERN/],
    [[server.address, "a..b"], 2, /Cannot use pattern "a\.\.b"/],
    [[server.address, "a", "--slow", "never"], 2, /--slow "never": it is one of drop, disconnect, wait/],
    [[server.address, "a", "--count", "x"], 2, /--count "x": a whole number is needed/],
    [[server.address, "a"], 4, /does not let this side subscribe to "a"/],
    [["/nowhere/s", "a"], 3, /there is no such file/],
  ];
  for (const [args, expected, text] of cases) {
    const { code, stderr } = await earshot(t, ["subscribe", ...args]).ended;
    assert.equal(code, expected, stderr);
    assert.match(stderr, text);
  }
});

test("listen --publish sends each line of its input to those who subscribe, and ends with it", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--publish", "lines", "--verbose"], { input: "open" });
  const program = earshot(t, ["subscribe", path, "lines"]);
  await server.says("stderr", "a subscription begins");
  server.child.stdin?.write("first\nsec");
  await program.says("stdout", "first\n");
  server.child.stdin?.end("ond\nlast");
  const { code, stdout } = await program.ended;
  assert.deepEqual([code, stdout.toString()], [0, "first\nsecond\nlast\n"]);
  assert.equal((await server.ended).code, 0);
});

test("listen --publish ends with what cannot be published", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--publish", "no topic"], { input: "open" });
  const { code, stderr } = await server.ended;
  assert.equal(code, 2);
  assert.match(stderr, /Cannot use topic "no topic"/);
});
