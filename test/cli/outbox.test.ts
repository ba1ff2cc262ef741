import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { listen } from "../../src/index.js";
import { openOutbox } from "../../src/outbox/index.js";
import { run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { LIMIT } from "./helpers.js";

type Test = Parameters<typeof temporaryDirectory>[0];

function place(t: Test) {
  const parent = temporaryDirectory(t);
  return { address: join(parent, "s"), directory: join(parent, "outbox") };
}

/** A server that takes everything but `no`, and what it took. */
async function serving(t: Test, address: string): Promise<string[]> {
  const taken: string[] = [];
  const handler = (message: { text(): string }) => {
    if (message.text() === "no") throw Object.assign(new Error("not that"), { code: "NO" });
    taken.push(message.text());
    return "";
  };
  const server = await listen(address, handler);
  t.after(() => server.close({ graceMs: 0 }));
  return taken;
}

test("post keeps a message and delivers it, or says that it is kept; the next one delivers it", LIMIT, async (t) => {
  const { address, directory } = place(t);
  const kept = await run(t, ["post", address, "first", "--outbox", directory, "--id", "a", "--timeout-ms", "100"]);
  assert.deepEqual([kept.stdout.toString(), kept.stderr, kept.code], ["a kept\n", "", 0]);
  const taken = await serving(t, address);
  const sent = await run(t, ["post", address, "--outbox", directory, "--json", "--id", "b"], { input: "second" });
  assert.deepEqual(JSON.parse(sent.stdout.toString()), { ok: true, id: "b", delivered: true });
  assert.deepEqual(taken, ["first", "second"]);
});

test("with --no-wait a running process is told at once, and delivers", LIMIT, async (t) => {
  const { address, directory } = place(t);
  const taken = await serving(t, address);
  const outbox = await openOutbox(directory, { address });
  t.after(() => outbox.close());
  const delivered = new Promise((resolve) => outbox.on("delivered", resolve));
  const { stdout, code } = await run(t, ["post", address, "x", "--outbox", directory, "--id", "a", "--no-wait"]);
  assert.deepEqual([stdout.toString(), code], ["a kept\n", 0]);
  await delivered;
  assert.deepEqual(taken, ["x"]);
});

test("dead letters are listed, shown, tried again and dropped", LIMIT, async (t) => {
  const { address, directory } = place(t);
  await serving(t, address);
  const outbox = await openOutbox(directory, { address, maxAttempts: 1 });
  await outbox.post("no", { id: "bad", key: "k", headers: { trace: "7" } });
  await outbox.post("no", { id: "worse" });
  await outbox.flush();
  await outbox.post("later", { id: "later", delayMs: 3_600_000 });
  await outbox.close();
  const cli = async (...args: string[]) => {
    const { stdout, stderr, code } = await run(t, ["outbox", ...args]);
    return { text: stdout.toString(), stderr, code };
  };
  const { text } = await cli("list", directory);
  const lines = text.split("\n").map((line) => line.split("  ").slice(0, 3).join(", "));
  assert.deepEqual(lines, [
    "later, pending, attempts 0",
    "bad, dead HANDLER_FAILED, attempts 1",
    "worse, dead HANDLER_FAILED, attempts 1",
    "",
  ]);
  const shown = JSON.parse((await cli("show", directory, "bad", "--json")).text);
  assert.deepEqual([shown.state, shown.key, shown.text, shown.headers], ["dead", "k", "no", { trace: "7" }]);
  assert.deepEqual(
    [shown.reason.message, shown.reason.remoteCode],
    [`Cannot send to "unix:${address}": the handler failed: not that`, "NO"],
  );
  assert.match((await cli("show", directory, "later")).text, /^id: later\nstate: pending\n[\s\S]*\n\nlater\n$/);
  assert.match((await cli("stats", directory)).text, /^pending 1 \(\d+ bytes\)\ndead 2 \(\d+ bytes\)\n$/);
  assert.equal((await cli("drop", directory, "worse")).text, "1 dead letter dropped\n");
  assert.equal((await cli("retry", directory, "--all")).text, "1 dead letter will be tried again\n");
  assert.match((await cli("stats", directory)).text, /^pending 2 .*\ndead 0 /);
  const gone = await cli("drop", directory, "worse");
  assert.deepEqual([gone.code, gone.stderr], [2, 'earshot: Cannot use id: "worse"; there is no such dead letter\n']);
});

test("a message is shown by the id that it is listed with, and no other id is mistaken for one", LIMIT, async (t) => {
  const { directory } = place(t);
  const outbox = await openOutbox(directory, { deliver: false });
  const { id } = await outbox.post("kept");
  await outbox.close();
  const listed = await run(t, ["outbox", "list", directory]);
  assert.equal(listed.stdout.toString().split("  ")[0], id);
  const shown = await run(t, ["outbox", "show", directory, "--json", "--", id]);
  assert.equal(JSON.parse(shown.stdout.toString()).text, "kept");
  for (const wrong of ["", "y".repeat(5_000)]) {
    const { code, stderr } = await run(t, ["outbox", "show", directory, wrong]);
    assert.equal(code, 2);
    assert.match(stderr, /^earshot: Cannot use ID: "y*"; there is no such message\n$/);
  }
});

test("what is wrong with the command line is said, and nothing is made", LIMIT, async (t) => {
  const { address, directory } = place(t);
  for (const [args, stderr] of [
    [["outbox", "list", directory], `earshot: Cannot open ${JSON.stringify(directory)}: there is no outbox\n`],
    [["outbox", "lost", directory], /"lost": it is one of list, show, retry, drop, stats\. See: earshot outbox --help/],
    [["outbox", "drop", directory], /which dead letter\? Give its ID, or --all, but not both/],
    [["outbox", "show", directory], /the ID is missing/],
    [["post", address, "x"], /--outbox DIR is missing: where to keep the message/],
    [["post", address, "x", "--outbox", directory, "--header", "x"], /--header "x": it is NAME=VALUE/],
    [["post", address, "x", "--outbox", directory, "--delay-ms", "x"], /--delay-ms "x": a whole number/],
  ] as const) {
    const ended = await run(t, args);
    assert.equal(ended.code, 2, args.join(" "));
    if (typeof stderr === "string") assert.equal(ended.stderr, stderr);
    else assert.match(ended.stderr, stderr);
  }
  assert.equal(existsSync(directory), false);
});

test("no other command loads the store", LIMIT, async (t) => {
  const { address } = place(t);
  await serving(t, address);
  const env = { ...process.env, NODE_DEBUG: "esm,module" };
  const { stderr } = await run(t, ["send", address, "x"], { env });
  assert.ok(stderr.length > 0);
  assert.doesNotMatch(stderr, /lmdb/);
});
