import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type Handler, type ListenOptions, listen } from "../../src/index.js";
import { EARSHOT, earshot, Program, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };
type Test = Parameters<typeof temporaryDirectory>[0];

async function serve(t: Test, handler: Handler, options?: ListenOptions): Promise<string> {
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, handler, options);
  t.after(() => server.close({ graceMs: 0 }));
  return path;
}

const echo: Handler = (message) => message.bytes;

test("send prints the reply as it is, and exits with 0", LIMIT, async (t) => {
  const path = await serve(t, (message) => `you said ${message.text()}`);
  const { code, stdout, stderr } = await run(t, ["send", path, "hello"]);
  assert.equal(stdout.toString(), "you said hello");
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("send takes the message from standard input: 0 bytes, 1 byte, 1 MiB of anything", LIMIT, async (t) => {
  const path = await serve(t, echo);
  for (const input of [Buffer.alloc(0), Buffer.of(0), randomBytes(1 << 20)]) {
    const { code, stdout } = await run(t, ["send", path], { input });
    assert.equal(code, 0);
    assert.ok(stdout.equals(input), `${input.length} bytes came back as ${stdout.length}`);
  }
});

test("send does not wait for standard input when the message is an argument", LIMIT, async (t) => {
  const path = await serve(t, echo);
  const { code, stdout } = await run(t, ["send", path, "here"], { input: "open" });
  assert.equal(stdout.toString(), "here");
  assert.equal(code, 0);
});

test("send sends an empty argument as an empty message", LIMIT, async (t) => {
  const path = await serve(t, (message) => `${message.byteLength} bytes`);
  const { code, stdout } = await run(t, ["send", path, ""], { input: "not this" });
  assert.equal(stdout.toString(), "0 bytes");
  assert.equal(code, 0);
});

test("send sends what follows -- though it looks like an option", LIMIT, async (t) => {
  const path = await serve(t, echo);
  const { stdout } = await run(t, ["send", path, "--", "--json"]);
  assert.equal(stdout.toString(), "--json");
});

test("send speaks the plain wire when told to", LIMIT, async (t) => {
  const path = await serve(t, (message, { wire }) => `${wire} ${message.text()}`, { wire: "plain" });
  const { code, stdout } = await run(t, ["send", path, "hello", "--wire", "plain"]);
  assert.equal(stdout.toString(), "plain hello");
  assert.equal(code, 0);
});

test("send --json prints one object, with base64 for what is not text", LIMIT, async (t) => {
  const path = await serve(t, echo);
  const text = await run(t, ["send", path, "zwei\nZeilen", "--json"]);
  assert.deepEqual(JSON.parse(text.stdout.toString()), { ok: true, bytes: 11, reply: "zwei\nZeilen" });
  assert.equal(text.stdout.toString().split("\n").length, 2);
  const binary = await run(t, ["send", path, "--json"], { input: Buffer.of(0xff, 0x00) });
  assert.deepEqual(JSON.parse(binary.stdout.toString()), { ok: true, bytes: 2, base64: "/wA=" });
});

test("send --json prints an error as one object on standard error", LIMIT, async (t) => {
  const path = await serve(t, () => {
    throw Object.assign(new Error("no disk"), { code: "ENOSPC" });
  });
  const { code, stdout, stderr } = await run(t, ["send", path, "x", "--json"]);
  const { message, ...rest } = JSON.parse(stderr);
  assert.deepEqual(rest, { ok: false, code: "HANDLER_FAILED", delivery: "unknown", remoteCode: "ENOSPC" });
  assert.match(message, /no disk/);
  assert.equal(stdout.length, 0);
  assert.equal(code, 5);
});

test("send --json says that a message was not sent when there is no server", LIMIT, async (t) => {
  const { code, stderr } = await run(t, ["send", join(temporaryDirectory(t), "none"), "x", "--json"]);
  const { code: name, delivery } = JSON.parse(stderr);
  assert.deepEqual({ name, delivery }, { name: "NO_SERVER", delivery: "unsent" });
  assert.equal(code, 3);
});

test("an error is one line, whatever the other side put into it", LIMIT, async (t) => {
  const path = await serve(t, () => {
    throw new Error("line one\nline two \x1b[31mred");
  });
  const { code, stderr } = await run(t, ["send", path, "x"]);
  assert.match(stderr, /^earshot: .*line one line two \\u001b\[31mred\n$/);
  assert.equal(code, 5);
});

test("send exits with 6 when the reply takes too long, and the handler is told", LIMIT, async (t) => {
  const aborted = withResolvers();
  const path = await serve(t, async (_message, { signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    aborted.resolve(undefined);
  });
  const { code, stderr } = await run(t, ["send", path, "x", "--timeout-ms", "200"]);
  assert.match(stderr, /^earshot: Cannot send to .*: no reply within \d+(\.\d+)? ms\n$/);
  assert.equal(code, 6);
  await aborted.promise;
});

test("send exits with 7 when the connection breaks", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = createServer((socket) => socket.once("data", () => socket.destroy()));
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  const { code, stderr } = await run(t, ["send", path, "x"]);
  assert.match(stderr, /^earshot: Cannot send to /);
  assert.equal(code, 7);
});

test("send exits with 4 when the message or the reply is too large", LIMIT, async (t) => {
  const path = await serve(t, () => "1234567890", { maxMessageBytes: 100 });
  const atServer = await run(t, ["send", path, "x".repeat(101)]);
  assert.equal(atServer.code, 4, atServer.stderr);
  const reply = await run(t, ["send", path, "x", "--max-message-bytes", "9"]);
  assert.equal(reply.code, 4, reply.stderr);
  const exact = await run(t, ["send", path, "x", "--max-message-bytes", "10"]);
  assert.equal(exact.code, 0, exact.stderr);
});

test("send exits with 4 when the server has all the connections that it takes", LIMIT, async (t) => {
  const path = await serve(t, echo, { maxConnections: 1 });
  const socket = connect(path);
  await once(socket, "connect");
  t.after(() => socket.destroy());
  const { code, stderr } = await run(t, ["send", path, "x"]);
  assert.match(stderr, /all the 1 connections/);
  assert.equal(code, 4);
});

test("send exits with 1 when a server answers in no language that it knows", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  const { code, stderr } = await run(t, ["send", path, "x"]);
  assert.match(stderr, /^earshot: .*\n$/);
  assert.equal(code, 1, stderr);
});

test("send stops reading standard input that is too large", LIMIT, async (t) => {
  const path = await serve(t, echo);
  const program = new Program(t, "sh", [
    "-c",
    `head -c 200000000 /dev/zero | "${process.execPath}" "${EARSHOT}" send "${path}" --max-message-bytes 100000`,
  ]);
  const { code, stderr } = await program.ended;
  assert.match(stderr, /standard input: it has more than 100000 bytes/);
  assert.equal(code, 4);
});

test("send exits with 0 and silently when nobody reads the reply", LIMIT, async (t) => {
  const path = await serve(t, () => Buffer.alloc(1 << 20));
  const program = earshot(t, ["send", path, "x"], { isStdoutUnread: true });
  program.child.stdout?.destroy();
  const { code, stderr } = await program.ended;
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("send exits with 1 when the reply cannot be written", LIMIT, async (t) => {
  const path = await serve(t, () => "reply");
  const program = new Program(t, "sh", ["-c", `"${process.execPath}" "${EARSHOT}" send "${path}" x > /dev/full`]);
  const { code, stderr } = await program.ended;
  assert.match(stderr, /^earshot: .*ENOSPC/);
  assert.equal(code, 1);
});

for (const [signal, number] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`send ends with ${number} in a shell at ${signal}, and the handler is told`, LIMIT, async (t) => {
    const begun = withResolvers();
    const aborted = withResolvers();
    const path = await serve(t, async (_message, context) => {
      begun.resolve(undefined);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      aborted.resolve(undefined);
    });
    const script = `"${process.execPath}" "${EARSHOT}" send "${path}" x & echo $!; wait $!; echo "code $?"`;
    const shell = new Program(t, "sh", ["-c", script]);
    await begun.promise;
    await shell.says("stdout", "\n");
    process.kill(Number.parseInt(shell.stdout.toString(), 10), signal);
    const { stdout } = await shell.ended;
    assert.match(stdout.toString(), new RegExp(`code ${number}\n$`));
    await aborted.promise;
  });
}

test("send loads nothing that starts processes: every module is a part of each message's time", LIMIT, async (t) => {
  const path = await serve(t, echo);
  const hook = join(temporaryDirectory(t), "hook.cjs");
  const script = 'process.on("exit", () => require("node:fs").writeSync(2, process.moduleLoadList.join("\\n")));';
  writeFileSync(hook, script);
  const { stderr } = await run(t, ["send", path, "x"], { env: { ...process.env, NODE_OPTIONS: `--require ${hook}` } });
  assert.match(stderr, /NativeModule net$/m);
  assert.doesNotMatch(stderr, /NativeModule child_process$/m);
});

test("send --verbose logs what the library does, --quiet nothing", LIMIT, async (t) => {
  const path = await serve(t, echo);
  const verbose = await run(t, ["send", path, "x", "--verbose"]);
  assert.match(verbose.stderr, /^earshot: debug: client connected \(address: unix:/);
  assert.equal(verbose.stdout.toString(), "x");
  const json = await run(t, ["send", path, "x", "--verbose", "--json"]);
  for (const line of json.stderr.trimEnd().split("\n")) assert.equal(JSON.parse(line).level, "debug");
  const quiet = await run(t, ["send", path, "x", "--quiet"]);
  assert.equal(quiet.stderr, "");
  assert.equal(quiet.stdout.toString(), "x");
});

function withResolvers() {
  let resolve: (value: unknown) => void = () => {};
  const promise = new Promise<unknown>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
