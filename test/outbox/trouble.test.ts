import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { EarshotError } from "../../src/errors.js";
import { Environment } from "../../src/outbox/environment.js";
import { openOutbox } from "../../src/outbox/open.js";
import type { OutboxOptions } from "../../src/outbox/options.js";
import type { Outbox } from "../../src/outbox/outbox.js";
import { temporaryDirectory } from "../support/temp.js";
import { next, rig, serverAway, settled } from "./support.js";

const REMEDY =
  "keep a copy of the directory if its content matters, restore it from a backup or remove it, and open it again";
const isRoot = process.geteuid?.() === 0;
const skip = isRoot && process.platform === "linux" ? false : "mounting a file system takes root on Linux";

/** A file system of its own. */
function mount(t: TestContext, options: string): string {
  const directory = mkdtempSync(join(tmpdir(), "e-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", directory]);
  t.after(() => {
    execFileSync("umount", ["--lazy", directory]);
    rmdirSync(directory);
  });
  return directory;
}

async function refusal(promise: Promise<unknown>): Promise<EarshotError> {
  return await promise.then(
    () => assert.fail("it was not refused"),
    (error: EarshotError) => error,
  );
}

/** An outbox with a hundred messages that nobody takes, closed. */
async function filled(t: TestContext): Promise<string> {
  const { outbox, way, directory } = await rig(t);
  way.answer = () => serverAway();
  await Promise.all(Array.from({ length: 100 }, (_, index) => outbox.post(`${index} `.repeat(500))));
  await outbox.close({ graceMs: 0 });
  return directory;
}

const open = (directory: string, options: Partial<OutboxOptions> = {}) =>
  openOutbox(directory, { address: "nowhere", ...options });

test("on a full disk post is refused, nothing that was accepted is lost, and what is delivered makes room", {
  skip,
}, async (t) => {
  const directory = join(mount(t, "size=4m,mode=700"), "outbox");
  const { outbox, way, time, told } = await rig(t, {}, { directory });
  way.answer = () => undefined;
  const accepted: string[] = [];
  let error: EarshotError | undefined;
  while (error === undefined) {
    const { id } = await outbox.post(Buffer.alloc(20_000, accepted.length)).catch((reason: EarshotError) => {
      error = reason;
      return { id: "" };
    });
    if (id !== "") accepted.push(id);
  }
  assert.equal(error.code, "STORE_FULL");
  assert.match(
    error.message,
    /^Cannot post to ".+": the disk is full \(\d+ bytes are free, of which 1048576 are kept for deliveries\); free some space, nothing that was accepted is lost$/,
  );
  assert.ok(accepted.length > 20, `${accepted.length} were accepted`);
  assert.equal(outbox.pending, accepted.length);
  // Somebody else takes the rest of the disk: deliveries are made, and recorded when there is room again.
  writeAll(join(directory, "..", "rest"));
  way.answer = () => "ok";
  for (const attempt of [...way.underWay]) attempt.resolve();
  await settled(outbox);
  truncateSync(join(directory, "..", "rest"), 0);
  await time.advance(1_000);
  await outbox.flush();
  assert.equal(way.sent.length, accepted.length, "nothing was sent twice");
  assert.deepEqual(
    told.filter((line) => line.startsWith("delivered")).sort(),
    accepted.map((id) => `delivered ${id}`).sort(),
  );
  await outbox.post("there is room again");
});

/** Fills the file system to the last byte. */
function writeAll(file: string): void {
  const fd = openSync(file, "w");
  try {
    for (;;) writeSync(fd, Buffer.alloc(4_096));
  } catch {
    closeSync(fd);
  }
}

test("past maxBytes post is refused and says what takes the room, until something is delivered", async (t) => {
  const { outbox, way } = await rig(t, { maxBytes: 10_000 });
  await outbox.post(Buffer.alloc(4_000));
  await outbox.post(Buffer.alloc(4_000));
  const error = await refusal(outbox.post(Buffer.alloc(4_000)));
  assert.equal(error.code, "STORE_FULL");
  assert.match(
    error.message,
    /^Cannot post to ".+": 8200 of 10000 bytes \(maxBytes\) are taken, by 2 pending messages and 0 dead letters \(0 bytes\); wait until some are delivered, drop dead letters, or raise maxBytes$/,
  );
  // One that is too large does not keep others of the same transaction out.
  const results = await Promise.allSettled([outbox.post(Buffer.alloc(4_000)), outbox.post("small")]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
  for (const attempt of [...way.underWay]) attempt.resolve();
  await settled(outbox);
  await outbox.post(Buffer.alloc(4_000));
});

test("a read-only file system is told at once", { skip }, async (t) => {
  const place = mount(t, "size=4m,mode=700");
  const { outbox } = await rig(t, {}, { directory: join(place, "outbox") });
  await outbox.close();
  execFileSync("mount", ["-o", "remount,ro", place]);
  for (const name of ["outbox", "new"]) {
    const error = await refusal(open(join(place, name)));
    assert.equal(error.code, "PERMISSION_DENIED");
    assert.match(
      error.message,
      /^Cannot open ".+": the file system of .+ is read-only; choose a directory that can be written to \(EROFS\)$/,
    );
  }
});

test("a store that was cut short is found when it is opened, wherever it was cut, and no process dies of it", async (t) => {
  const whole = await filled(t);
  const size = statSync(join(whole, "data.mdb")).size;
  let refused = 0;
  for (const length of [size - 4_096, size >> 1, 16_384, 8_192, 8_191, 4_096, 100, 1]) {
    const directory = join(temporaryDirectory(t), "outbox");
    execFileSync("cp", ["-a", whole, directory]);
    truncateSync(join(directory, "data.mdb"), length);
    const error = await open(directory, { deliver: false }).then(readable, (reason: EarshotError) => reason);
    // The end of the file may be of no use any more: then all is there.
    if (error === undefined) continue;
    refused++;
    assert.equal(error.code, "STORE_DAMAGED", `${length} of ${size}`);
    assert.match(
      error.message,
      /^Cannot open ".+": (the store is damaged \(.+\)|data\.mdb is (cut short|not a store)); /,
    );
    assert.ok(error.message.endsWith(REMEDY), error.message);
  }
  assert.ok(refused >= 7, `${refused} were refused`);
});

/** All hundred messages are there. */
async function readable(outbox: Outbox): Promise<undefined> {
  assert.equal([...outbox.messages()].length, 100);
  await outbox.close();
}

test("a file that is no store is not touched", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "data.mdb"), "my accounts ".repeat(1_000));
  const error = await refusal(open(directory));
  assert.equal(error.code, "STORE_DAMAGED");
  assert.match(error.message, /: data\.mdb is not a store; keep a copy/);
  assert.equal(readFileSync(join(directory, "data.mdb"), "utf8"), "my accounts ".repeat(1_000));
});

test("a message whose bytes were changed on the disk is not sent, but becomes a dead letter", async (t) => {
  const { outbox, directory } = await rig(t);
  await outbox.close({ graceMs: 0 });
  const first = await rig(t, { deliver: false }, { directory });
  await first.outbox.post("x".repeat(100), { id: "changed" });
  await first.outbox.post("fine", { id: "fine" });
  await first.outbox.close();
  const bytes = readFileSync(join(directory, "data.mdb"));
  for (let at = bytes.indexOf("x".repeat(100)); at >= 0; at = bytes.indexOf("x".repeat(100), at + 1))
    bytes[at + 50] = 121;
  writeFileSync(join(directory, "data.mdb"), bytes);
  const { outbox: again, way, told } = await rig(t, {}, { directory });
  await way.untilSent(1);
  for (const attempt of [...way.underWay]) attempt.resolve();
  await again.flush();
  assert.deepEqual(way.sent, ["fine"]);
  assert.deepEqual(told.sort(), ["dead changed STORE_DAMAGED", "delivered fine"]);
  const [letter] = [...again.deadLetters.list()];
  assert.equal(letter?.reason.message, "a message is not what was written: its checksum differs");
});

test("a store of a newer version, or of another kind, is refused and stays as it is", async (t) => {
  const directory = temporaryDirectory(t);
  await (await Environment.open(directory, { kind: "outbox", version: 7, tables: ["other"] })).close();
  const newer = await refusal(open(directory));
  assert.equal(newer.code, "VERSION_MISMATCH");
  assert.match(newer.message, /: its store has version 7, and this earshot reads 1; upgrade this program$/);

  const inbox = temporaryDirectory(t);
  await (await Environment.open(inbox, { kind: "inbox", version: 1, tables: [] })).close();
  const other = await refusal(open(inbox));
  assert.equal(other.code, "INVALID_ARGUMENT");
  assert.match(other.message, /: it holds an inbox, not an outbox; choose another directory$/);
});

test("a directory that others can look into is refused, one that is made is private, and a file is no directory", async (t) => {
  const parent = temporaryDirectory(t);
  const loose = join(parent, "loose");
  mkdirSync(loose);
  chmodSync(loose, 0o755);
  const error = await refusal(open(loose));
  assert.equal(error.code, "UNSAFE_DIRECTORY");
  assert.match(error.message, /: others may look into the directory \(its mode is 755\); chmod 700 it, or name one/);

  const made = join(parent, "deep", "outbox");
  await (await open(made)).close();
  assert.equal(statSync(made).mode & 0o777, 0o700);

  writeFileSync(join(parent, "file"), "");
  const noDirectory = await refusal(open(join(parent, "file")));
  assert.equal(noDirectory.code, "INVALID_ARGUMENT");
  assert.match(noDirectory.message, /: there is something that is not a directory$/);
});

test("when deliveries cannot be recorded they are not made twice, and it is told", async (t) => {
  const { outbox, way, time, told } = await rig(t);
  await outbox.post("once", { id: "once" });
  await way.untilSent(1);
  const run = t.mock.method(Environment.prototype, "run", () =>
    Promise.reject(Object.assign(new Error("MDB_PROBLEM"))),
  );
  const trouble = next(outbox, "trouble");
  way.underWay[0]!.resolve();
  const { error } = await trouble;
  assert.equal(error.code, "SYSTEM_ERROR");
  run.mock.restore();
  await time.advance(1_000);
  assert.deepEqual(told, ["trouble SYSTEM_ERROR", "delivered once"]);
  assert.deepEqual(way.sent, ["once"]);
});

test("wrong options are refused by name", async (t) => {
  const directory = temporaryDirectory(t);
  const wrong: readonly [Partial<Record<keyof OutboxOptions, unknown>>, RegExp][] = [
    [{ concurrency: 0 }, /^Cannot use concurrency: 0; it is a whole number of 1 or more$/],
    [{ maxBytes: -1 }, /^Cannot use maxBytes: -1/],
    [{ durability: "yes" }, /^Cannot use durability: "yes"; it is one of process, power$/],
    [
      { retry: { minDelayMs: 5, maxDelayMs: 4 } },
      /^Cannot use retry\.maxDelayMs: 4; it is no less than retry\.minDelayMs$/,
    ],
    [{ isPermanent: 1 }, /^Cannot use isPermanent: 1; it is a function of an error$/],
    [{ address: "" }, /it is empty/],
  ];
  for (const [options, message] of wrong) await assert.rejects(open(directory, options as never), { message });
  const { outbox } = await rig(t);
  const posts: readonly [object, RegExp][] = [
    [{ id: "" }, /^Cannot use id: ""; it is a text of 1 to 128 bytes$/],
    [{ id: "ä".repeat(65) }, /^Cannot use id: "ä+"; it is a text of 1 to 128 bytes$/],
    [{ key: "\ud800" }, /^Cannot use key: /],
    [{ headers: { a: 1 } }, /^Cannot use headers: "a" is number; values are texts$/],
    [{ headers: { "": "1" } }, /^Cannot use id and headers: the header "" has a name of 0 bytes/],
    [{ headers: { a: "x".repeat(8_160) } }, /^Cannot use id and headers: .* more than 8192 bytes together$/],
    [{ id: "i".repeat(128), headers: { a: "x".repeat(8_070) } }, /^Cannot use id and headers: /],
    [{ expiresAt: "soon" }, /^Cannot use expiresAt: "soon"; it is a Date, or milliseconds since 1970$/],
    [{ delayMs: -1 }, /^Cannot use delayMs: -1/],
  ];
  for (const [options, message] of posts) {
    await assert.rejects(outbox.post("x", options), { code: "INVALID_ARGUMENT", message });
  }
  await assert.rejects(outbox.post(7 as never), { code: "INVALID_ARGUMENT" });
  await outbox.close();
  await assert.rejects(outbox.post("x"), { code: "CONNECTION_CLOSED", message: /the outbox was closed$/ });
});
