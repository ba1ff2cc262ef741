/** What the doctor tells of users, processes and installations that are not this test's own. */
import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EARSHOT, type Ended, listening, Program, ROOT, run } from "../support/process.js";
import { leaveStaleSocket } from "../support/starter.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireLinux, requireRoot } from "../support/tools.js";

const LIMIT = { timeout: 60_000 };
/** A user that nobody is. */
const STRANGER = 54_321;

/** Copies the built program to where every user can read it, and without the addon; returns the directory. */
function copyProgram(t: TestContext): string {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  for (const name of ["bin", "dist", "package.json"]) {
    cpSync(join(ROOT, name), join(directory, name), { recursive: true });
  }
  return directory;
}

/** Runs a copy of the program as another user. */
function runAs(t: TestContext, uid: number, copy: string, args: readonly string[]): Promise<Ended> {
  const program = `
    process.setgroups([]);
    process.setgid(${uid});
    process.setuid(${uid});
    process.argv.splice(1, 0, "earshot");
    await import("${copy}/bin/earshot.js");`;
  const argv = ["--input-type=module", "--eval", program, "--", ...args];
  const env = { ...process.env, EARSHOT_TRANSPORT: "auto" };
  return new Program(t, process.execPath, argv, { cwd: copy, env }).ended;
}

test(
  "a user whom the file's mode keeps out is told so, and whether a server is there; it ends with 4",
  LIMIT,
  async (t) => {
    if (!requireLinux(t, "the lists of sockets") || !requireRoot(t)) return;
    const directory = temporaryDirectory(t);
    chmodSync(directory, 0o755);
    await listening(t, join(directory, "live"));
    await leaveStaleSocket(join(directory, "stale"));
    chmodSync(join(directory, "stale"), 0o600);
    const copy = copyProgram(t);
    for (const [name, fact] of [
      ["live", "a server listens there"],
      ["stale", "no server is known to listen there"],
    ] as const) {
      const { code, stdout, stderr } = await runAs(t, STRANGER, copy, ["doctor", join(directory, name)]);
      const text = stdout.toString();
      assert.equal(code, 4, text + stderr);
      assert.match(text, /^ {2}state {6}forbidden: this user may not connect$/m);
      const remedy = "let the server listen with another `mode`, or become its user";
      const finding = `! this user may not connect: the socket file has mode 0600 and belongs to uid 0 (${fact}); ${remedy}`;
      assert.ok(text.includes(`${finding}\n`), text);
    }
    chmodSync(directory, 0o700);
    const { code, stdout } = await runAs(t, STRANGER, copy, ["doctor", join(directory, "live")]);
    assert.equal(code, 4);
    assert.match(stdout.toString(), /^! Cannot dial .*: permission denied\. Check the mode and owner/m);
  },
);

test("a user who cannot put a server there is told who can", LIMIT, async (t) => {
  if (!requireRoot(t)) return;
  const copy = copyProgram(t);
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const free = await runAs(t, STRANGER, copy, ["doctor", join(directory, "s")]);
  assert.match(free.stdout.toString(), /^- this user may not create files in .*; start the server as uid 0, or use/m);
  assert.equal(free.code, 3);
  chmodSync(directory, 0o1777);
  await leaveStaleSocket(join(directory, "s"));
  chmodSync(join(directory, "s"), 0o666);
  const stale = await runAs(t, STRANGER, copy, ["doctor", join(directory, "s")]);
  assert.match(stale.stdout.toString(), /^! nobody listens there, .*; only uid 0 or root can replace it: start/m);
  assert.equal(stale.code, 3);
});

test("a directory for bare names that is not this user's alone stands in the way", LIMIT, async (t) => {
  if (!requireRoot(t)) return;
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o1777);
  mkdirSync(join(directory, `earshot-${STRANGER}`));
  const program = `
    process.env.EARSHOT_TRANSPORT = "auto";
    process.env.TMPDIR = ${JSON.stringify(directory)};
    delete process.env.XDG_RUNTIME_DIR;
    process.setgid(${STRANGER});
    process.setuid(${STRANGER});
    process.argv.splice(1, 0, "earshot");
    await import("${copyProgram(t)}/bin/earshot.js");`;
  const argv = ["--input-type=module", "--eval", program, "--", "doctor", "chat"];
  const { code, stdout } = await new Program(t, process.execPath, argv, { cwd: "/" }).ended;
  assert.match(
    stdout.toString(),
    /^! Cannot dial "chat": the directory .* belongs to another user \(uid 0\); set XDG_RUN/m,
  );
  assert.equal(code, 4);
});

test("of a server that was stopped it tells how to let it go on, and ends with 6", LIMIT, async (t) => {
  if (!requireLinux(t, "the states of processes")) return;
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path);
  server.signal("SIGSTOP");
  const { code, stdout } = await run(t, ["doctor", path]);
  const { pid } = server.child;
  assert.match(
    stdout.toString(),
    new RegExp(`^! process ${pid} is stopped, .* to let it go on: kill -CONT ${pid}$`, "m"),
  );
  assert.match(stdout.toString(), new RegExp(`^  server {5}process ${pid}, .*, since .*Z: .*earshot\\.js listen`, "m"));
  assert.equal(code, 6);
});

test("an addon that is not built, or does not load, is told with its remedy", LIMIT, async (t) => {
  if (!requireLinux(t, "addons")) return;
  const copy = copyProgram(t);
  const path = join(copy, "s");
  const doctor = async (env: NodeJS.ProcessEnv = {}) => {
    const options = { env: { ...process.env, EARSHOT_TRANSPORT: "auto", ...env } };
    const { code, stdout } = await new Program(
      t,
      process.execPath,
      [join(copy, "bin/earshot.js"), "doctor", path],
      options,
    ).ended;
    return { code, text: stdout.toString() };
  };
  const missing = await doctor();
  assert.match(missing.text, /^ {2}addon {6}not built; listen and dial use net sockets$/m);
  assert.match(
    missing.text,
    /^- the native addon is not built .*`npm rebuild earshot` builds it\. Without it nobody knows/m,
  );
  assert.match(missing.text, /^ {2}kernel {5}SO_PEERPIDFD unknown, SO_PEERGROUPS unknown, memfd yes, /m);
  assert.equal(missing.code, 3);

  const demanded = await doctor({ EARSHOT_TRANSPORT: "native" });
  assert.match(demanded.text, /^! Cannot use transport "native": .*; or unset EARSHOT_TRANSPORT$/m);
  assert.equal(demanded.code, 1);

  mkdirSync(join(copy, "build/Release"), { recursive: true });
  writeFileSync(join(copy, "build/Release/earshot.node"), "this is no library");
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const broken = await doctor();
  assert.match(broken.text, /^ {2}addon {6}failed to load; listen and dial use net sockets$/m);
  assert.match(
    broken.text,
    /^- the native addon does not load: .*; `npm rebuild earshot` builds it anew\. Without it/m,
  );
});

test("--quiet says nothing, and --verbose logs what the ping does", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await listening(t, path);
  const quiet = await run(t, ["doctor", path, "--quiet"]);
  assert.deepEqual([quiet.code, quiet.stdout.toString(), quiet.stderr], [0, "", ""]);
  const verbose = await new Program(t, process.execPath, [EARSHOT, "doctor", path, "--verbose"]).ended;
  assert.match(verbose.stderr, /earshot: debug: client connected/);
});
