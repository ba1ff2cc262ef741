import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dial } from "../../src/index.js";
import { listening, Program, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { client, LIMIT } from "./helpers.js";

/** What is complete, in the order of the names. */
const contentsOf = (directory: string) =>
  readdirSync(directory)
    .filter((name) => !name.startsWith("."))
    .sort()
    .map((name) => readFileSync(join(directory, name)));

test(
  "--output FILE adds each message to a file of this user's alone, as it would be on standard output",
  LIMIT,
  async (t) => {
    const directory = temporaryDirectory(t);
    const file = join(directory, "log");
    for (const round of ["first", "second"]) {
      const path = join(directory, round);
      const server = await listening(t, path, ["--output", file]);
      const sender = await client(t, path);
      await sender.send(`${round} of one`);
      await sender.send(`${round} of two\n`);
      assert.equal(server.stdout.length, 0);
    }
    assert.equal(readFileSync(file, "utf8"), "first of one\nfirst of two\nsecond of one\nsecond of two\n");
    assert.equal(statSync(file).mode & 0o777, 0o600);
  },
);

test("--output FILE keeps whole what many send at once, and what is acknowledged is there", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const file = join(directory, "log");
  await listening(t, path, ["--output", file]);
  const lines = Array.from({ length: 8 }, (_, index) => `${String(index).repeat(300_000)}\n`);
  await Promise.all(
    lines.map(async (line, index) => (await client(t, path, index % 2 === 0 ? "framed" : "plain")).send(line)),
  );
  assert.deepEqual(
    readFileSync(file, "utf8").trimEnd().split("\n").sort(),
    lines.map((line) => line.trimEnd()),
  );
});

test(
  "--output DIR/ makes the directory, and a file for each message, whose names sort as they came",
  LIMIT,
  async (t) => {
    const directory = join(temporaryDirectory(t), "in", "box");
    const path = join(temporaryDirectory(t), "s");
    await listening(t, path, ["--output", `${directory}/`]);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    const messages = [Buffer.from("no newline"), Buffer.alloc(0), randomBytes(1 << 20), Buffer.of(0xff)];
    const sender = await client(t, path);
    for (const message of messages) await sender.send(message);
    assert.deepEqual(contentsOf(directory), messages);
    for (const name of readdirSync(directory)) {
      assert.match(name, /^\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z-\d{6}-\w{6}$/);
      assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
    }
  },
);

test(
  "--output with a directory that is there: two servers, a hundred messages each, and none is lost",
  LIMIT,
  async (t) => {
    const directory = temporaryDirectory(t);
    const box = join(directory, "box");
    mkdirSync(box);
    await Promise.all(
      ["a", "b"].map(async (name) => {
        const path = join(directory, name);
        await listening(t, path, ["--output", box]);
        const sender = await client(t, path);
        await Promise.all(Array.from({ length: 100 }, (_, index) => sender.send(`${name}${index}`)));
      }),
    );
    assert.equal(new Set(contentsOf(box).map(String)).size, 200);
  },
);

test(
  "--output DIR leaves no file of a message that breaks off, and says so; nor of one when it ends",
  LIMIT,
  async (t) => {
    const directory = temporaryDirectory(t);
    const box = join(directory, "box/");
    const path = join(directory, "s");
    const server = await listening(t, path, ["--output", box, "--echo"]);
    const begin = async () => {
      const dialed = await dial(path, { reconnect: false });
      const { readable, writable } = dialed.open();
      await writable.getWriter().write(Buffer.from("half"));
      // It comes back when it is written.
      await readable.getReader().read();
      assert.equal(readdirSync(box).length, 1);
      assert.deepEqual(contentsOf(box), []);
      return dialed;
    };
    await (await begin()).close({ graceMs: 0 });
    await server.says("stderr", "the message broke off after 4 bytes, and no file is left of it");
    assert.deepEqual(readdirSync(box), []);
    const last = await begin();
    server.signal("SIGTERM");
    await last.closed.then(undefined, () => {});
    server.signal("SIGTERM");
    await server.ended;
    assert.deepEqual(readdirSync(box), []);
  },
);

test("--output --once --reply: one message, its file, and the end", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const server = await listening(t, path, ["--output", join(directory, "box/"), "--once", "--reply", "kept"]);
  const input = randomBytes(300_000);
  assert.equal((await run(t, ["send", path], { input })).stdout.toString(), "kept");
  assert.equal((await server.ended).code, 0);
  assert.deepEqual(contentsOf(join(directory, "box")), [input]);
});

test("--output --json keeps what is told of each message", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const file = join(directory, "log");
  await listening(t, path, ["--json", "--output", file]);
  await (await client(t, path)).send("hi");
  assert.equal(readFileSync(file, "utf8"), '{"peer":1,"wire":"framed","bytes":2,"text":"hi"}\n');
});

test("a full disk fails the message with a clear text, and the server goes on", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--output", "/dev/full"]);
  for (const message of ["x", randomBytes(1 << 20)]) {
    await assert.rejects((await client(t, path)).send(message), (error: Error) => {
      assert.match(error.message, /the handler failed: cannot write to "\/dev\/full": ENOSPC: no space left on device/);
      return Reflect.get(error, "remoteCode") === "ENOSPC";
    });
  }
  server.signal("SIGTERM");
  assert.equal((await server.ended).code, 0);
});

test("a directory that is gone fails the message with a clear text", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  await listening(t, path, ["--output", join(directory, "box/")]);
  await new Program(t, "rmdir", [join(directory, "box")]).ended;
  await assert.rejects((await client(t, path)).send("x"), /the handler failed: cannot write to ".*box\/.*ENOENT/);
});

test("an output that cannot be opened is told before anything listens", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const { code, stderr } = await run(t, ["listen", path, "--output", join(directory, "none", "file")]);
  assert.match(stderr, /^earshot: cannot write to ".*none\/file": ENOENT: .*\n$/);
  assert.equal(code, 1);
  assert.ok(!existsSync(path));
  assert.equal((await run(t, ["listen", path, "--output", ""])).code, 2);
});
