import assert from "node:assert/strict";
import { chmodSync, closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type DialOptions, dial } from "../../src/index.js";
import { Child } from "../support/children.js";
import { Daemons, isAlive } from "../support/daemons.js";
import { Program } from "../support/process.js";
import { compileFixture } from "../support/starter.js";
import { connect, outcome, rejection } from "./support.js";

test("a server that is there is not started", async (t) => {
  const daemons = await Daemons.prepare(t);
  const first = await connect(t, daemons, { start: daemons.start() });
  const second = await connect(t, daemons, { start: daemons.start() });
  const [pid] = daemons.pids("begun");
  assert.deepEqual(
    [await outcome(first.send("who?")), await outcome(second.send("who?"))],
    Array(2).fill(`reply ${pid}`),
  );
  assert.deepEqual(daemons.pids("begun"), [pid]);
  assert.deepEqual(readdirSync(daemons.directory).sort(), [".s.log", "s"]);
  assert.equal(statSync(join(daemons.directory, ".s.log")).mode & 0o777, 0o600);
});

test("it outlives its starter, in a session of its own and without any of its descriptors", async (t) => {
  const daemons = await Daemons.prepare(t);
  const program = await compileFixture(t, "start-client");
  const open = [0, 1, 2].map(() => openSync(program, "r"));
  t.after(() => open.forEach((fd) => void closeSync(fd)));
  const order = JSON.stringify({ address: daemons.address, options: { start: daemons.start() }, count: 1 });
  const env = { ...process.env, NOTIFY_SOCKET: "/nowhere", MARK: "kept" };
  const caller = new Program(t, process.execPath, [program, order], { descriptors: open, env });
  // It ends by itself: the daemon does not hold it, nor its pipes.
  const { code, stdout } = await caller.ended;
  assert.equal(code, 0);
  const pid = Number(stdout);
  assert.deepEqual(daemons.pids("listening"), [pid]);
  const [, , , ppid, group, session] = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/\(.*\)/, "x")
    .split(" ");
  assert.notEqual(Number(ppid), caller.child.pid);
  assert.deepEqual([Number(group), Number(session)], [pid, pid]);
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  assert.ok(!files.includes(program), files.join());
  const log = join(daemons.directory, ".s.log");
  assert.deepEqual(
    [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)),
    ["/dev/null", log, log],
  );
  const client = await connect(t, daemons);
  assert.equal(await outcome(client.send("who?")), `reply ${pid}`);
  const environment = JSON.parse((await client.send("environment")).text());
  assert.deepEqual([environment.MARK, environment.NOTIFY_SOCKET], ["kept", undefined]);
});

test("what it says when it fails is in the error of all who wait, and it is tried once for them", async (t) => {
  const daemons = await Daemons.prepare(t);
  const lastWords = "first line\n\x1b[31mno such database\x07\n";
  const start = daemons.start({ lastWords, exitCode: 7, delayMs: 300 });
  const errors = await Promise.all(Array.from({ length: 10 }, () => rejection(dial(daemons.address, { start }))));
  for (const { code, op, message } of errors) {
    assert.deepEqual([code, op], ["START_FAILED", "dial"]);
    const log = JSON.stringify(join(daemons.directory, ".s.log"));
    assert.equal(
      message,
      `Cannot dial "unix:${daemons.address}": the server was started and ended with exit code 7 before it was ready; ` +
        `the last it has said (all of it is in ${log}):\nfirst line\n[31mno such database`,
    );
  }
  assert.equal(daemons.pids("begun").length, 1);
  assert.deepEqual(readdirSync(daemons.directory), [".s.log"]);
});

test("who starts something else does not take another's failure for its own", async (t) => {
  const daemons = await Daemons.prepare(t);
  const failing = rejection(dial(daemons.address, { start: daemons.start({ lastWords: "no", delayMs: 300 }) }));
  while (!existsSync(join(daemons.directory, ".s.start"))) await new Promise((resolve) => setImmediate(resolve));
  const client = await connect(t, daemons, { start: daemons.start() });
  assert.match(await outcome(client.send("who?")), /^reply \d+$/);
  assert.match((await failing).message, /exit code 1 .*\nno$/s);
});

const broken: { what: string; options: object; message: RegExp }[] = [
  {
    what: "a program that is not there",
    options: { command: "/no/such/program" },
    message: /: there is no program "\/no\/such\/program" \(ENOENT, option start\.command\)$/,
  },
  {
    what: "a program that may not be executed",
    options: { command: "/etc/passwd" },
    message: /: "\/etc\/passwd" may not be executed \(EACCES\)/,
  },
  {
    what: "a directory that is not there",
    options: { cwd: "/no/such" },
    message: /: its directory "\/no\/such" is not there \(ENOENT, option start\.cwd\)$/,
  },
  {
    what: "a directory that is a file",
    options: { cwd: "/etc/passwd" },
    message: /: its directory "\/etc\/passwd" is no directory \(ENOTDIR, option start\.cwd\)$/,
  },
  {
    what: "a program under a file",
    options: { command: "/etc/passwd/x" },
    message: /: of the path of "\/etc\/passwd\/x" a part is no directory \(ENOTDIR, option start\.command\)$/,
  },
  {
    what: "an argument that is too large",
    options: { args: ["x".repeat(200_000)] },
    message: /: the system takes no arguments and environment as large as these \(E2BIG\)$/,
  },
  {
    what: "a log file that cannot be opened",
    options: { logFile: "/no/such/log" },
    message: /: its log file "\/no\/such\/log" cannot be opened \(ENOENT\)$/,
  },
];

for (const { what, options, message } of broken) {
  test(`${what} is named, and nobody else is kept from starting`, async (t) => {
    const daemons = await Daemons.prepare(t);
    const error = await rejection(dial(daemons.address, { start: daemons.start({}, options) }));
    assert.equal(error.code, "START_FAILED");
    assert.match(error.message, message);
    assert.match(await outcome((await connect(t, daemons, { start: daemons.start() })).send("who?")), /^reply/);
  });
}

test("one that is not ready in time is ended, and its last words are told", async (t) => {
  const daemons = await Daemons.prepare(t);
  const start = daemons.start(
    {},
    { command: "sh", args: ["-c", "echo still loading; exec sleep 1000"], readyTimeoutMs: 500 },
  );
  const error = await rejection(dial(daemons.address, { start }));
  assert.equal(error.code, "START_FAILED");
  assert.match(error.message, /after 500 ms it is not ready, and was ended; the last it has said .*\nstill loading$/s);
});

test("a program that starts the server in its turn, and ends, is waited for", async (t) => {
  const daemons = await Daemons.prepare(t);
  const { command, args = [] } = daemons.start({ delayMs: 200 });
  const start = { command: "sh", args: ["-c", '"$0" "$@" &', command, ...args] };
  const client = await connect(t, daemons, { start });
  assert.equal(await outcome(client.send("who?")), `reply ${daemons.pids("begun")[0]}`);
});

test("one that has left before anybody could call is started again", async (t) => {
  const daemons = await Daemons.prepare(t);
  const client = await connect(t, daemons, { start: daemons.start({ missed: 2 }) });
  const [first, second, third, ...others] = daemons.pids("begun");
  assert.deepEqual([await outcome(client.send("who?")), others], [`reply ${third}`, []]);
  assert.equal(isAlive(first!) || isAlive(second!), false);
});

test("a time that is longer than Node's timers take is no time at all", async (t) => {
  const daemons = await Daemons.prepare(t);
  const start = daemons.start({ delayMs: 100 }, { readyTimeoutMs: 3e9 });
  assert.match(await outcome((await connect(t, daemons, { start })).send("who?")), /^reply/);
});

test("a client that connects when it has to, and cannot start its server, tells why and goes on", async (t) => {
  const daemons = await Daemons.prepare(t);
  const client = await connect(t, daemons, { connect: "lazy", start: daemons.start({}, { cwd: "/etc/passwd" }) });
  assert.equal(await outcome(client.send("who?")), "START_FAILED unsent");
  assert.equal(client.state.kind, "waiting");
  await client.close();
});

test("a starter that is killed leaves the others waiting for nobody", async (t) => {
  const daemons = await Daemons.prepare(t);
  const program = await compileFixture(t, "start-client");
  const starter = await Child.startCompiled(t, program);
  const options = { start: daemons.start({ delayMs: 500 }) };
  void starter.call("race", { address: daemons.address, options, count: 1 }).catch(() => {});
  while (daemons.pids("begun").length === 0) await new Promise((resolve) => setImmediate(resolve));
  const waiting = Array.from({ length: 5 }, () => connect(t, daemons, options));
  await starter.kill();
  const replies = await Promise.all(waiting.map(async (client) => outcome((await client).send("who?"))));
  assert.equal(new Set(replies).size, 1);
  // The claim on the address has let one of the two live.
  assert.equal(daemons.pids("listening").length, 1);
});

test("a log file of the user's own is added to, for this user alone; the other one is replaced", async (t) => {
  const daemons = await Daemons.prepare(t);
  const logFile = join(daemons.directory, "log");
  for (const lastWords of ["one\n", "two\n"]) {
    const error = await rejection(dial(daemons.address, { start: daemons.start({ lastWords }, { logFile }) }));
    assert.ok(error.message.endsWith(`:\n${lastWords.trim()}`), error.message);
    await rejection(dial(daemons.address, { start: daemons.start({ lastWords }) }));
  }
  assert.equal(readFileSync(logFile, "utf8"), "one\ntwo\n");
  assert.equal(statSync(logFile).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(daemons.directory, ".s.log"), "utf8"), "two\n");
});

test("an abstract name and a path without room beside it are started as well", async (t) => {
  for (const address of [`unix:@earshot-start-${process.pid}`, undefined]) {
    const daemons = await Daemons.prepare(t, address);
    const long = address ?? join(daemons.directory, "x".repeat(106 - daemons.directory.length));
    if (process.env.EARSHOT_TRANSPORT === "net" && address !== undefined && process.versions.node.startsWith("20."))
      continue;
    const start = daemons.start({ address: long });
    const clients = await Promise.all([1, 2, 3].map(() => connect(t, { address: long }, { start })));
    for (const client of clients) assert.equal(await outcome(client.send("who?")), `reply ${daemons.pids("begun")[0]}`);
    assert.equal(daemons.pids("begun").length, 1);
  }
});

test("where nobody may write, what the server says of it is told", async (t) => {
  const daemons = await Daemons.prepare(t);
  // Root may write everywhere, but there.
  const isRoot = process.geteuid?.() === 0;
  const address = isRoot ? "/proc/earshot-start-test" : daemons.address;
  if (!isRoot) chmodSync(daemons.directory, 0o500);
  const error = await rejection(dial(address, { start: daemons.start({ address }) }));
  assert.equal(error.code, "START_FAILED");
  assert.match(error.message, isRoot ? /the last it has said:\n\s+\S/ : /may not create files in/);
});

test("on the plain wire, too", async (t) => {
  const daemons = await Daemons.prepare(t);
  const client = await connect(t, daemons, { start: daemons.start(), wire: "plain" });
  const [pid = 0] = daemons.pids("begun");
  assert.equal(await outcome(client.send("who?")), `reply ${pid}`);
  process.kill(pid, "SIGKILL");
  await daemons.gone(pid);
  assert.equal(await outcome(client.send("who?")), `reply ${daemons.pids("begun")[1]}`);
  assert.ok(isAlive(daemons.pids("begun")[1]!));
});

const wrong: [string, unknown][] = [
  ["start", "node"],
  ["start.command", { command: "" }],
  ["start.command", {}],
  ["start.args", { command: "x", args: "y" }],
  ["start.args", { command: "x", args: [1] }],
  ["start.env", { command: "x", env: "PATH=/" }],
  ["start.env", { command: "x", env: { A: "a\0b" } }],
  ["start.env", { command: "x", env: { A: 1 } }],
  ["start.cwd", { command: "x", cwd: 1 }],
  ["start.logFile", { command: "x", logFile: "" }],
  ["start.readyTimeoutMs", { command: "x", readyTimeoutMs: -1 }],
];

test("wrong options are named before anything is done", async (t) => {
  const daemons = await Daemons.prepare(t);
  for (const [name, start] of wrong) {
    const error = await rejection(dial(daemons.address, { start } as DialOptions));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.ok(error.message.startsWith(`Cannot use ${name}: `), error.message);
  }
  assert.deepEqual(readdirSync(daemons.directory), []);
});
