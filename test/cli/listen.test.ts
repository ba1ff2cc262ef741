import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { earshot, listening, Program, ROOT, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { client, LIMIT } from "./helpers.js";

test("listen says where it listens in a line of its own, and in the next how to talk to it", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--echo"]);
  await server.until(() => server.stderr.split("\n").length > 2, "a second line");
  const [ready, hint = ""] = server.stderr.split("\n");
  assert.equal(ready, `listening on unix:${path}`);
  assert.match(hint, /^from another terminal: node /);
  // As it stands, in another directory, by a shell.
  const line = hint.replace("from another terminal: ", "");
  const env = { ...process.env, PATH: `${process.execPath.replace(/\/[^/]*$/, "")}:${process.env.PATH}` };
  const pasted = new Program(t, "sh", ["-c", line], { cwd: "/", env });
  assert.equal((await pasted.ended).stdout.toString(), "hello");
});

test("listen's hint names a plain wire, and works with a path that a shell would take apart", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "it's $HOME");
  const server = await listening(t, path, ["--echo", "--wire", "plain"]);
  await server.until(() => server.stderr.split("\n").length > 2, "a second line");
  const line = server.stderr.split("\n")[1]?.replace("from another terminal: ", "") ?? "";
  assert.match(line, /--wire plain/);
  assert.equal((await new Program(t, "sh", ["-c", line]).ended).stdout.toString(), "hello");
});

test("listen's hint for a relative path works in every directory", LIMIT, async (t) => {
  const cwd = temporaryDirectory(t);
  const server = await listening(t, "./s", ["--echo"], { cwd });
  await server.says("stderr", ` send unix:${cwd}/s hello\n`);
});

test("listen prints text with a newline, and keeps one that is there", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path);
  const sender = await client(t, path);
  for (const message of ["one", "two\n", "", "vier ü"]) {
    assert.equal((await sender.send(message)).byteLength, 0);
  }
  await server.says("stdout", "vier ü\n");
  assert.equal(server.stdout.toString(), "one\ntwo\n\nvier ü\n");
});

test("listen prints what is not text byte for byte", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path);
  const sender = await client(t, path);
  const messages = [Buffer.of(0xff), randomBytes(1 << 20), Buffer.of(0xc1, 0x00)];
  for (const message of messages) await sender.send(message);
  await server.until(() => server.stdout.length >= (1 << 20) + 3, "all bytes");
  assert.ok(server.stdout.equals(Buffer.concat(messages)));
});

test("listen takes both wires by default, and only the one that --wire names", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  for (const wire of ["auto", "plain", "framed"] as const) {
    const path = join(directory, wire);
    await listening(t, path, ["--wire", wire, "--echo"]);
    if (wire !== "framed") assert.equal((await (await client(t, path, "plain")).send("plain")).text(), "plain");
    if (wire !== "plain") assert.equal((await (await client(t, path, "framed")).send("framed")).text(), "framed");
  }
});

test("listen --json prints one object for each message", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--json"]);
  const sender = await client(t, path);
  await sender.send("zwei\nZeilen");
  await sender.send(Buffer.of(0xff, 0x00));
  await (await client(t, path, "plain")).send("hi");
  await server.says("stdout", '"hi"}\n');
  const lines = server.stdout.toString().trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { peer: 1, wire: "framed", bytes: 11, text: "zwei\nZeilen" },
      { peer: 1, wire: "framed", bytes: 2, base64: "/wA=" },
      { peer: 2, wire: "plain", bytes: 2, text: "hi" },
    ],
  );
  assert.equal(server.stderr, `listening on unix:${path}\n`);
});

test("listen --echo answers with the message, --reply with its text", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  await listening(t, join(directory, "e"), ["--echo"]);
  await listening(t, join(directory, "r"), ["--reply", "thänks"]);
  const bytes = randomBytes(300_000);
  assert.ok(bytes.equals((await (await client(t, join(directory, "e"))).send(bytes)).bytes));
  assert.equal((await (await client(t, join(directory, "r"))).send("x")).text(), "thänks");
});

test("listen --mode sets the permissions of the file; 600 is the default", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  for (const [flags, mode] of [
    [[], 0o600],
    [["--mode", "660"], 0o660],
    [["--mode", "0o777"], 0o777],
  ] as const) {
    const path = join(directory, mode.toString(8));
    await listening(t, path, flags);
    assert.equal(statSync(path).mode & 0o777, mode);
  }
});

test("listen --max-message-bytes refuses what is larger", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await listening(t, path, ["--max-message-bytes", "10"]);
  const sender = await client(t, path);
  await sender.send("1234567890");
  await assert.rejects(sender.send("12345678901"), { code: "MESSAGE_TOO_LARGE" });
});

test("listen --quiet prints messages, and nothing on standard error", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = earshot(t, ["listen", path, "--quiet", "--exec", "exit 1", "--once"]);
  while ((await run(t, ["ping", path])).code !== 0);
  const sender = await client(t, path);
  await assert.rejects(sender.send("x"), { code: "HANDLER_FAILED" });
  await server.says("stdout", "x\n");
  server.signal("SIGTERM");
  const { code, stderr } = await server.ended;
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("listen logs failures by default, and everything with --verbose", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const silent = await listening(t, join(directory, "1"), ["--exec", "echo because >&2; exit 9"]);
  await assert.rejects((await client(t, join(directory, "1"))).send("x"));
  await silent.says("stderr", "earshot: error: the handler failed");
  assert.match(silent.stderr, /the command ended with exit code 9: because/);
  assert.doesNotMatch(silent.stderr, /debug/);
  const verbose = await listening(t, join(directory, "2"), ["--verbose"]);
  await (await client(t, join(directory, "2"))).send("x");
  await verbose.says("stderr", "earshot: debug: connection opened (peer: 1)");
  const json = await listening(t, join(directory, "3"), ["--verbose", "--json"]);
  await (await client(t, join(directory, "3"))).send("x");
  await json.says("stderr", '"message":"connection opened"');
  const logged = json.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("listening on"));
  for (const line of logged) assert.equal(typeof JSON.parse(line).level, "string");
});

test("listen exits with 4 where another server listens, and leaves it in peace", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await listening(t, path, ["--echo"]);
  const { code, stderr } = await run(t, ["listen", path]);
  assert.match(stderr, /^earshot: Cannot listen on .*\n$/);
  assert.equal(code, 4);
  assert.equal((await (await client(t, path)).send("still")).text(), "still");
});

test("listen takes over the file of a server that was killed", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const first = await listening(t, path);
  first.signal("SIGKILL");
  await first.ended;
  assert.ok(existsSync(path));
  await listening(t, path, ["--reply", "second"]);
  assert.equal((await (await client(t, path)).send("x")).text(), "second");
});

test("a bare name is a socket in the runtime directory, and the hint keeps it", LIMIT, async (t) => {
  const env = { ...process.env, XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const server = await listening(t, "demo", ["--echo"], { env });
  assert.match(server.stderr, new RegExp(`^listening on unix:${env.XDG_RUNTIME_DIR}/earshot/demo\\.sock\n`));
  await server.says("stderr", " send demo hello\n");
  const { stdout } = await run(t, ["send", "demo", "hi"], { env });
  assert.equal(stdout.toString(), "hi");
});

test("an empty connection is no message", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--json"]);
  const socket = connect(path);
  await once(socket, "connect");
  socket.end();
  await once(socket.resume(), "close");
  await (await client(t, path)).send("real");
  await server.says("stdout", "\n");
  assert.equal(server.stdout.toString(), '{"peer":2,"wire":"framed","bytes":4,"text":"real"}\n');
});

test("npm start, as it stands, answers the line that it prints", LIMIT, async (t) => {
  const env = { ...process.env, XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const npm = new Program(t, "npm", ["start", "--silent"], { cwd: ROOT, env });
  await npm.says("stderr", "from another terminal: ");
  await npm.until(() => npm.stderr.trimEnd().endsWith("hello"), "the whole line");
  const line = /from another terminal: (.*)/.exec(npm.stderr)?.[1] ?? "";
  const { code, stderr } = await new Program(t, "sh", ["-c", line], { cwd: "/", env }).ended;
  assert.equal(code, 0, stderr);
  await npm.says("stdout", "hello\n");
});
