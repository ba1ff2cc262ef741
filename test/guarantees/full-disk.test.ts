/** A file system without a byte left. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, rmdirSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { dial, listen } from "../../src/index.js";
import { inbox, openOutbox } from "../../src/outbox/index.js";
import { next } from "../outbox/support.js";
import { cut, outcome } from "../peer/support.js";

const isRoot = process.geteuid?.() === 0;
const skip = isRoot && process.platform === "linux" ? false : "mounting a file system takes root on Linux";

/** Of 4 MiB, and what fills it. */
class SmallDisk {
  readonly directory = mkdtempSync(join(tmpdir(), "e-"));
  readonly #file = join(this.directory, "filler");

  constructor(t: TestContext) {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", this.directory]);
    t.after(() => {
      execFileSync("umount", ["--lazy", this.directory]);
      rmdirSync(this.directory);
    });
  }

  fill(): void {
    const descriptor = openSync(this.#file, "w");
    try {
      for (;;) writeSync(descriptor, Buffer.alloc(4_096));
    } catch {
      closeSync(descriptor);
    }
  }

  empty(): void {
    truncateSync(this.#file, 0);
  }
}

test("the disk is full: messages, streams and topics on both wires go on, and servers start", { skip }, async (t) => {
  const disk = new SmallDisk(t);
  disk.fill();
  const server = await listen(join(disk.directory, "s"), (message) => message.bytes);
  t.after(() => cut(server));
  const before = readdirSync(disk.directory);
  for (const wire of ["framed", "plain"] as const) {
    const client = await dial(server.address, { wire });
    t.after(() => cut(client));
    assert.equal(await outcome(client.send("x".repeat(300_000))), "reply of 300000");
    const chunks = (async function* () {
      yield "a ";
      yield "stream";
    })();
    assert.equal(await outcome(client.send(chunks)), "reply a stream");
  }
  const client = await dial(server.address, { retry: "idempotent" });
  t.after(() => cut(client));
  const subscription = client.subscribe("a");
  await subscription.ready;
  void server.publish("a", "news");
  assert.equal((await subscription.next()).value?.text(), "news");
  assert.equal(await outcome(client.send("once", { id: "once" })), "reply once");
  assert.deepEqual(readdirSync(disk.directory), before, "nothing was written");
});

test("the inbox's disk is full: the message fails as not recorded, its outbox keeps it, and delivers it when there is room", {
  skip,
}, async (t) => {
  const disk = new SmallDisk(t);
  const seen = await inbox(join(disk.directory, "inbox"));
  const handled: string[] = [];
  const handler = (_: unknown, { id }: { readonly id: string | undefined }) => {
    handled.push(String(id));
    return "x".repeat(10_000);
  };
  const server = await listen(join(disk.directory, "s"), handler, { deduplicate: seen });
  t.after(async () => {
    await cut(server);
    await seen.close();
  });
  const place = mkdtempSync(join(tmpdir(), "e-"));
  t.after(() => execFileSync("rm", ["-r", place]));
  const retry = { minDelayMs: 1, maxDelayMs: 20 };
  const outbox = await openOutbox(join(place, "outbox"), { address: server.address, retry, maxAttempts: 2 });
  t.after(() => outbox.close({ graceMs: 0 }));
  disk.fill();
  const told = next(outbox, "retry");
  await outbox.post("work", { id: "one" });
  const { error } = await told;
  assert.deepEqual([error.code, error.remoteCode], ["HANDLER_FAILED", "STORE_FULL"]);
  assert.match(error.message, /it was handled, but that could not be remembered: .*the disk is full/);
  // From now on it is not handled for nothing, nor does that cost an attempt.
  for (let times = 0; times < 5; times++) {
    const away = await next(outbox, "away");
    assert.equal(away.error.code, "OVERLOADED");
    assert.match(away.error.message, /it was not handled: .*the disk is full/);
  }
  assert.deepEqual([outbox.pending, handled.length], [1, 1]);
  disk.empty();
  await outbox.flush();
  assert.equal(outbox.stats().dead, 0);
  assert.equal(handled.length, 2, "it was handled again");
  const client = await dial(server.address);
  t.after(() => cut(client));
  await client.send("work", { id: "one" });
  assert.equal(handled.length, 2, "and is recorded now");
});
