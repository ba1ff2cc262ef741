import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server as NetServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Examination, type ListenOptions, listen } from "../../src/index.js";
import { SOCK_DGRAM, SOCK_STREAM } from "../../src/native/binding.js";
import { openSocket, requireNative } from "../support/manager.js";
import { run } from "../support/process.js";
import { leaveStaleSocket } from "../support/starter.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };

async function serve(t: TestContext, path: string, options: ListenOptions = {}): Promise<void> {
  const server = await listen(path, () => assert.fail("the doctor sends no message"), options);
  t.after(() => server.close({ graceMs: 0 }));
}

async function start(t: TestContext, server: NetServer, path: string): Promise<void> {
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
}

/** What the doctor tells people, and how it ends. */
async function ask(t: TestContext, address: string, ...args: string[]): Promise<{ text: string; code: number | null }> {
  const { code, stdout, stderr } = await run(t, ["doctor", address, ...args]);
  assert.equal(stderr, "");
  return { code, text: stdout.toString() };
}

/** The same for programs. */
async function examination(t: TestContext, address: string, ...args: string[]): Promise<Examination & { ok: boolean }> {
  const { text, code } = await ask(t, address, "--json", ...args);
  const result = JSON.parse(text);
  assert.equal(text, `${JSON.stringify(result)}\n`);
  assert.equal(result.ok, code === 0);
  return result;
}

/** The lines that begin with "!" or "-". */
function findings(text: string): string[] {
  return text.split("\n").filter((line) => /^[!-] /.test(line));
}

test("of a server that answers it tells who it is, and ends with 0", LIMIT, async (t) => {
  // Without the addon it says that, too.
  if (requireNative(t) === undefined) return;
  const path = join(temporaryDirectory(t), "s");
  await serve(t, path, { app: { name: "notes\x1b[2J", version: "1.2.3" }, mode: 0o660 });
  const before = readdirSync(join(path, ".."));
  const { text, code } = await ask(t, path);
  assert.equal(code, 0);
  assert.ok(text.startsWith(`unix:${path}\n  state      live: a server takes connections\n`));
  assert.match(text, new RegExp(`^  path {7}${path.length} of the 10[37] bytes that a socket's may have$`, "m"));
  assert.match(text, /^ {2}file {7}socket, mode 0660, uid \d+ \(you\), gid \d+$/m);
  assert.match(text, /^ {2}directory {2}\/.*, mode 0700, uid \d+ \(you\), gid \d+: safe$/m);
  assert.match(text, /^ {2}answer {5}on the framed wire in \d+\.\d\d ms, notes\\u001b\[2J 1\.2\.3$/m);
  assert.deepEqual(findings(text), []);
  assert.deepEqual(readdirSync(join(path, "..")), before);

  const { server, answer, findings: found, ok } = await examination(t, path);
  assert.ok(ok);
  assert.deepEqual(found, []);
  assert.deepEqual(answer?.app, { name: "notes\x1b[2J", version: "1.2.3" });
  if (process.platform !== "linux") return;
  assert.equal(server?.pid, process.pid);
  assert.equal(server?.uid, process.geteuid?.());
  assert.match(String(server?.command), /node.* .*doctor\.test\.ts/);
  const ageMs = Date.now() - Date.parse(String(server?.startedAt));
  assert.ok(Math.abs(ageMs - process.uptime() * 1_000) < 5_000, `${ageMs} ms`);
});

test("the server is found over node:net, too", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await serve(t, path);
  const env = { ...process.env, EARSHOT_TRANSPORT: "net" };
  const { stdout } = await run(t, ["doctor", path, "--json"], { env });
  const { ok, server, system } = JSON.parse(stdout.toString());
  assert.ok(ok);
  assert.equal(system.transport, "net");
  if (process.platform === "linux") assert.equal(server.pid, process.pid);
});

test("where nothing is, it ends with 3 and says so, whether or not there is a directory", LIMIT, async (t) => {
  if (requireNative(t) === undefined) return;
  const directory = temporaryDirectory(t);
  const nobody = "! nobody listens there; start the server, or check its address";
  for (const name of ["s", "none/s"]) {
    const { text, code } = await ask(t, join(directory, name));
    assert.equal(code, 3);
    assert.match(text, /^ {2}state {6}free: nothing is there$/m);
    assert.deepEqual(findings(text), [nobody]);
  }
  assert.match((await ask(t, join(directory, "none/s"))).text, /^ {2}directory {2}not there yet; `listen` makes it/m);
  assert.deepEqual(readdirSync(directory), []);
  // Over node:net, Node 20 has no abstract names.
  const env = { ...process.env, EARSHOT_TRANSPORT: "auto" };
  const abstract = await run(t, ["doctor", `unix:@earshot-doctor-${process.pid}`], { env });
  assert.equal(abstract.code, 3);
  assert.deepEqual(findings(abstract.stdout.toString()), [nobody]);
});

test("what a server has left that is gone is told, and ends with 3", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await leaveStaleSocket(path);
  const { text, code } = await ask(t, path);
  assert.equal(code, 3);
  assert.match(text, /^ {2}state {6}stale: /m);
  assert.match(text, /^! nobody listens there, the socket file is left .*; start the server: it replaces the file$/m);
});

test("whatever else is at the path is named, and ends with 4", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const directory = temporaryDirectory(t);
  const at = (name: string) => join(directory, name);
  writeFileSync(at("file"), "");
  mkdirSync(at("directory"));
  symlinkSync("nowhere", at("dangling"));
  symlinkSync("file", at("link"));
  openSocket(t, native, at("datagrams"), SOCK_DGRAM);
  for (const [name, fact] of [
    ["file", /is not a socket; use another path, or move away what is there$/],
    ["directory", /is a directory; use another path, or move away what is there$/],
    ["dangling", /is a symbolic link to "nowhere", where no server can be reached; use another path/],
    ["link", /is a symbolic link to "file", where no server can be reached; use another path/],
    ["datagrams", /is a socket of another kind \(not a stream\), .*; use another path$/],
  ] as const) {
    const { state, findings: found } = await examination(t, at(name));
    assert.equal(state, "blocked");
    assert.deepEqual(
      found.map(({ code }) => code),
      ["NOT_A_SOCKET"],
    );
    assert.match(found[0]?.text ?? "", fact);
    assert.equal((await ask(t, at(name), "--quiet")).code, 4);
  }
});

test("a link to a living server is no obstacle to callers, and worth knowing", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  await serve(t, join(directory, "s"));
  symlinkSync("s", join(directory, "link"));
  const { text, code } = await ask(t, join(directory, "link"));
  assert.equal(code, 0);
  assert.match(text, /^ {2}file {7}symbolic link to s, mode 0600/m);
  assert.match(
    findings(text).join("\n"),
    /^- ".*\/link" is a symbolic link: callers get through, but `listen` refuses it/,
  );
});

test("an address at which no socket can be is explained, and ends with 2", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "file"), "");
  const long = join(directory, "x".repeat(120));
  const tooLong = await ask(t, long);
  assert.match(tooLong.text, new RegExp(`^  path {7}${long.length} of the 10[37] bytes`, "m"));
  assert.match(
    findings(tooLong.text).join("\n"),
    /^! Cannot dial .*: the path is \d+ bytes too long; a socket's may have/,
  );
  for (const [address, fact] of [
    [join(directory, "file/s"), /^! Cannot dial .*: a part of the path is not a directory/],
    ["systemd:", /^! Cannot dial "systemd:": only a server takes a socket from the service manager/],
    [`unix:@${"x".repeat(120)}`, /^! Cannot dial .*: the name is 13 bytes too long/],
  ] as const) {
    const { text, code } = await ask(t, address);
    assert.equal(code, 2, text);
    assert.match(text, /^ {2}state {6}unusable: /m);
    assert.match(findings(text).join("\n"), fact);
  }
  assert.equal(tooLong.code, 2);
  // What is no address at all is bad usage, as with every command.
  const { code, stderr } = await run(t, ["doctor", "http://x"]);
  assert.match(stderr, /^earshot: Cannot use "http:\/\/x"/);
  assert.equal(code, 2);
});

test(
  "a directory in which others may replace the socket stands in a server's way, and ends with 4",
  LIMIT,
  async (t) => {
    if (requireNative(t) === undefined) return;
    const directory = temporaryDirectory(t);
    const path = join(directory, "s");
    await serve(t, path);
    chmodSync(directory, 0o777);
    const remedy = `every user may replace files in the directory "${directory}"; run: chmod go-w "${directory}"`;
    const free = await ask(t, join(directory, "free"));
    assert.equal(free.code, 4);
    assert.match(free.text, /^ {2}directory .*, mode 0777, .*: not safe$/m);
    assert.equal(findings(free.text)[0], `! ${remedy}`);
    const live = await ask(t, path);
    assert.equal(live.code, 0);
    assert.deepEqual(findings(live.text), [`- ${remedy}`]);
    chmodSync(directory, 0o700);
  },
);

test("what killed servers have left beside the path is named", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, ".s.new-abcdef"));
  mkdirSync(join(directory, ".other.new-abcdef"));
  const { text, code } = await ask(t, join(directory, "s"));
  assert.equal(code, 3);
  assert.match(
    findings(text)[1] ?? "",
    /^- servers that were killed .* left \.s\.new-abcdef beside .*; the next server rem/,
  );
});

test("a server of the plain wire is told as such, and with --wire plain gets nothing at all", LIMIT, async (t) => {
  if (requireNative(t) === undefined) return;
  const path = join(temporaryDirectory(t), "s");
  const lengths: number[] = [];
  const server = await listen(path, (message) => void lengths.push(message.byteLength), { wire: "plain" });
  t.after(() => server.close({ graceMs: 0 }));
  const quiet = await ask(t, path, "--wire", "plain");
  assert.deepEqual([quiet.code, findings(quiet.text), lengths], [0, [], []]);
  assert.match(quiet.text, /^ {2}answer {5}on the plain wire$/m);
  const { text, code } = await ask(t, path, "--timeout-ms", "300");
  assert.equal(code, 0);
  assert.match(
    findings(text).join("\n"),
    /^- it answers no ping, but ends an empty connection: it takes only the plain wire/,
  );
});

test("another kind of program is told as such", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await start(t, createHttpServer(), path);
  const { text, code } = await ask(t, path);
  assert.equal(code, 0);
  assert.match(text, /^ {2}answer {5}not as earshot does$/m);
  assert.match(
    findings(text).join("\n"),
    /^- it does not answer as earshot does, so it is another kind of program; if it/,
  );
});

test("a server that does not answer is told as such, and ends with 6", LIMIT, async (t) => {
  if (requireNative(t) === undefined) return;
  const path = join(temporaryDirectory(t), "s");
  await start(
    t,
    createServer({ allowHalfOpen: true }, (socket) => void socket.on("error", () => {}).resume()),
    path,
  );
  for (const wire of ["framed", "plain"]) {
    const { text, code } = await ask(t, path, "--timeout-ms", "200", "--wire", wire);
    assert.match(findings(text).join("\n"), /^! the kernel takes .* does not answer within 200 ms: .* or restart it$/);
    assert.equal(code, 6);
  }
});

test("a server whose queue is full is told as such, and ends with 4", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined) return;
  const path = join(temporaryDirectory(t), "s");
  native.listen(openSocket(t, native, path), 0);
  const caller = native.socket(SOCK_STREAM);
  t.after(() => native.close(caller));
  native.connect(caller, Buffer.from(path));
  const { text, code } = await ask(t, path, "--timeout-ms", "200");
  assert.match(text, /^ {2}state {6}busy: /m);
  assert.match(
    findings(text).join("\n"),
    /^! a server listens there, and its queue of new connections is full: .* or restart/,
  );
  assert.equal(code, 4);
});

test("a server that does not let this user in, or takes only certain applications, says so", LIMIT, async (t) => {
  if (requireNative(t) === undefined) return;
  const directory = temporaryDirectory(t);
  await serve(t, join(directory, "closed"), { allow: () => false, transport: "native" });
  const closed = await ask(t, join(directory, "closed"));
  assert.match(findings(closed.text).join("\n"), /^! .*does not let this side in: user \d+ is not allowed/);
  assert.equal(closed.code, 4);
  await serve(t, join(directory, "picky"), { app: { name: "notes", version: "2.0.0", accepts: ["2"] } });
  const picky = await ask(t, join(directory, "picky"));
  assert.match(
    findings(picky.text).join("\n"),
    /^- it takes only certain applications, .*: .*this side is notes 2\.0\.0/,
  );
  assert.equal(picky.code, 0);
});
