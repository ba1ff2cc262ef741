import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Ended, Program, ROOT } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";

const LIMIT = { timeout: 60_000 };

function example(t: TestContext, name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const options = { cwd: ROOT, env: { ...process.env, ...env } };
  return new Program(t, process.execPath, [`examples/${name}`, ...args], options).ended;
}

/** What stands in an example's comment after `kind:`. */
function comments(name: string, kind: string, path: string): string[] {
  const text = readFileSync(`${ROOT}examples/${name}`, "utf8");
  const lines = [...text.matchAll(/^\/\/ {3}(\w+): +(.*)$/gm)].filter((match) => match[1] === kind);
  return lines.map((match) => String(match[2]).replaceAll("/tmp/text.sock", path));
}

test("every example has a test", () => {
  const tested = ["daemon.js", "fastify.js", "guests", "hello.js", "plain-text.js", "systemd"];
  assert.deepEqual(readdirSync(`${ROOT}examples`).sort(), tested);
  const tests = readdirSync(`${ROOT}test/examples/guests`).filter((name) => name.endsWith(".test.ts"));
  const guests = tests.map((name) => name.replace(".test.ts", ".js"));
  assert.deepEqual(readdirSync(`${ROOT}examples/guests`).sort(), guests.sort());
});

test("hello.js says hello", LIMIT, async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const { code, stdout, stderr } = await example(t, "hello.js", [], env);
  const path = join(env.XDG_RUNTIME_DIR, "earshot", "hello.sock");
  assert.equal(stdout.toString(), `listening on unix:${path}\nyou said hello\n`);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.ok(!existsSync(path));
});

test("daemon.js starts one daemon for all who call, which remembers, and stops when told", LIMIT, async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const call = async (...args: string[]) => {
    const { code, stdout, stderr } = await example(t, "daemon.js", args, env);
    return { code, text: stdout.toString() + stderr };
  };
  t.after(() => call("stop"));
  const added = await Promise.all([call("add", "one"), call("add", "two"), call("add", "three")]);
  assert.deepEqual(added.map(({ text }) => text).sort(), ["note 1\n", "note 2\n", "note 3\n"]);
  const { text } = await call("list");
  for (const note of ["one", "two", "three"]) assert.match(text, new RegExp(`^\\d\\. ${note}$`, "m"));
  const wrong = await call("frobnicate");
  assert.match(wrong.text, /there is no command frobnicate/);
  assert.equal(wrong.code, 1);
  assert.deepEqual(await call("stop"), { code: 0, text: "" });
  assert.ok(!existsSync(join(env.XDG_RUNTIME_DIR, "earshot", "notes.sock")));
});

for (const [index, tool] of ["socat", "nc"].entries()) {
  test(`plain-text.js reaches ${tool}, called as its comment says`, LIMIT, async (t) => {
    if (!requireTool(t, tool)) return;
    const path = join(temporaryDirectory(t), "s");
    const line = comments("plain-text.js", "shell", path)[index] ?? "";
    assert.ok(line.startsWith(`${tool} `));
    const receiver = new Program(t, "sh", ["-c", line]);
    const { code, stdout, stderr } = await sendText(t, path, "to a tool");
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), "sent\n");
    assert.equal((await receiver.ended).stdout.toString(), "to a tool");
  });
}

test("plain-text.js reaches the Python lines of its comment, and prints their answer", LIMIT, async (t) => {
  if (!requireTool(t, "python3")) return;
  const path = join(temporaryDirectory(t), "s");
  const lines = comments("plain-text.js", "python", path);
  assert.equal(lines.length, 2);
  const receiver = new Program(t, "python3", ["-c", lines.join("\n")]);
  const { code, stdout, stderr } = await sendText(t, path, "to Python");
  assert.equal(code, 0, stderr);
  assert.equal(stdout.toString(), "sent, and the answer is: thanks\n");
  assert.equal((await receiver.ended).stdout.toString(), "to Python\n");
});

test("the shell line of plain-text.js reaches a server", LIMIT, async (t) => {
  if (!requireTool(t, "nc")) return;
  const path = join(temporaryDirectory(t), "s");
  const line = comments("plain-text.js", "shell", path)[2] ?? "";
  const server = new Program(t, process.execPath, [`${ROOT}bin/earshot.js`, "listen", path, "--reply", "thanks"]);
  await server.says("stderr", "listening on");
  assert.equal((await new Program(t, "sh", ["-c", line]).ended).stdout.toString(), "thanks");
  await server.says("stdout", "hello\n");
});

test("fastify.js answers on its socket, and leaves no file", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const { code, stdout, stderr } = await example(t, "fastify.js", [path]);
  assert.equal(stdout.toString(), `listening on ${path}\n200 {"hello":"world"}\n`);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.ok(!existsSync(path));
});

/** The receivers do not say when they listen: what finds nobody yet has cost nothing, and is tried again. */
async function sendText(t: TestContext, path: string, text: string): Promise<Ended> {
  for (;;) {
    const ended = await example(t, "plain-text.js", [path, text]);
    if (!ended.stderr.includes("NO_SERVER")) return ended;
  }
}
