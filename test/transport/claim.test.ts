import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { bindSocketFile } from "../../src/transport/socket-file.js";
import { compileFixture, leaveStaleSocket, Starter, whoAnswers } from "../support/starter.js";
import { temporaryDirectory, temporaryServer } from "../support/temp.js";
import { requireLinux, requireRoot, requireTool } from "../support/tools.js";

test("a server starts at once where the last one was killed", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const starter = await Starter.start(t, await compileFixture(t, "starter"));
  assert.equal((await starter.order({ do: "listen", path }))?.result, "listening");
  await starter.kill();
  assert.ok(lstatSync(path).isSocket());
  await bindSocketFile(temporaryServer(t), path);
});

test("a second server is refused with the pid of the first, which goes on", async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "a.sock");
  const starter = await Starter.start(t, await compileFixture(t, "starter"));
  assert.equal((await starter.order({ do: "listen", path }))?.result, "listening");
  const owner = process.platform === "linux" ? `another server (pid ${starter.pid})` : "another server";
  await assert.rejects(bindSocketFile(temporaryServer(t), path), (error: Error & { code?: string }) => {
    assert.equal(error.code, "ADDRESS_IN_USE");
    assert.equal(
      error.message,
      `Cannot listen on "unix:${path}": ${owner} answers there; stop it, or listen on another path`,
    );
    return true;
  });
  assert.equal(await whoAnswers(path), starter.pid);
  assert.deepEqual(readdirSync(directory), ["a.sock"]);
});

test("what is not a socket is refused and stays: a file, a directory, a link, also to nothing or to a socket", async (t) => {
  const directory = temporaryDirectory(t);
  const live = join(directory, "live.sock");
  const dead = join(directory, "dead.sock");
  await bindSocketFile(temporaryServer(t), live);
  await leaveStaleSocket(dead);
  const paths = ["file", "directory", "dangling", "to-live", "to-dead"].map((name) => join(directory, name));
  const [file = "", folder = "", dangling = "", toLive = "", toDead = ""] = paths;
  writeFileSync(file, "precious");
  mkdirSync(folder);
  symlinkSync("nowhere", dangling);
  symlinkSync(live, toLive);
  symlinkSync(dead, toDead);
  const before = readdirSync(directory);
  for (const path of paths) {
    const { ino } = lstatSync(path);
    await assert.rejects(bindSocketFile(temporaryServer(t), path), { code: "NOT_A_SOCKET" });
    assert.equal(lstatSync(path).ino, ino);
  }
  assert.equal(readFileSync(file, "utf8"), "precious");
  assert.deepEqual(readdirSync(directory), before);
});

const PROGRAMS = {
  "that listens": "s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()",
  "with a full queue":
    "s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(0)\nc = socket.socket(socket.AF_UNIX); c.connect(path)",
  "of datagrams": "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(path)",
  "of packets": "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(path); s.listen()",
  "that is bound and does not listen yet": "s = socket.socket(socket.AF_UNIX); s.bind(path)",
};

for (const [name, code] of Object.entries(PROGRAMS)) {
  test(`a foreign server ${name} is never evicted`, async (t) => {
    if (!requireTool(t, "python3")) return;
    const directory = temporaryDirectory(t);
    const path = join(directory, "a.sock");
    await startPython(t, code, path);
    const { ino } = lstatSync(path);
    await assert.rejects(bindSocketFile(temporaryServer(t), path), {
      code: "ADDRESS_IN_USE",
      message: /another server (\(pid \d+\) )?answers there|another kind/,
    });
    assert.equal(lstatSync(path).ino, ino);
    assert.deepEqual(readdirSync(directory), ["a.sock"]);
  });
}

test("a server that lost its file does not keep its path occupied", async (t) => {
  if (!requireTool(t, "python3")) return;
  const path = join(temporaryDirectory(t), "a.sock");
  await startPython(t, PROGRAMS["that listens"], path);
  rmSync(path);
  await leaveStaleSocket(path);
  await bindSocketFile(temporaryServer(t), path);
});

test("leftovers made by hand are swept: old private directories, rights; what is young or another's stays", async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "a.sock");
  for (const name of [".a.sock.new-oldone", ".a.sock.new-oldtwo", ".a.sock.new-young0", ".b.sock.new-oldone"]) {
    mkdirSync(join(directory, name));
    if (name.endsWith("two")) await leaveStaleSocket(join(directory, name, "s"));
    if (name.includes("old")) utimesSync(join(directory, name), 0, 0);
  }
  await leaveStaleSocket(join(directory, ".a.sock.take-0123abcd"));
  await leaveStaleSocket(join(directory, ".a.sock.take-other"));
  await leaveStaleSocket(path);
  await bindSocketFile(temporaryServer(t), path);
  assert.deepEqual(readdirSync(directory).sort(), [
    ".a.sock.new-young0",
    ".a.sock.take-other",
    ".b.sock.new-oldone",
    "a.sock",
  ]);
});

test("an old server that closes leaves the file of the one that took its path", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const old = temporaryServer(t);
  await bindSocketFile(old, path);
  rmSync(path);
  const starter = await Starter.start(t, await compileFixture(t, "starter"));
  assert.equal((await starter.order({ do: "listen", path }))?.result, "listening");
  old.close();
  await once(old, "close");
  assert.equal(await whoAnswers(path), starter.pid);
});

test("100 failed and 100 successful claims leave no descriptor open, with short paths and with long ones", async (t) => {
  if (!requireLinux(t, "descriptors to be counted in /proc")) return;
  const directory = temporaryDirectory(t);
  const long = join(directory, "d".repeat(99 - directory.length), "a.sock");
  for (const path of [join(directory, "a.sock"), long]) {
    const owner = temporaryServer(t);
    await bindSocketFile(owner, path);
    await assert.rejects(bindSocketFile(temporaryServer(t), path));
    // What an earlier test had open may close meanwhile, so that it can be fewer.
    const before = await countDescriptors(owner);
    for (let i = 0; i < 100; i++) await assert.rejects(bindSocketFile(temporaryServer(t), path));
    assert.ok((await countDescriptors(owner)) <= before);
    for (let i = 0; i < 100; i++) {
      const server = temporaryServer(t);
      await bindSocketFile(server, `${path.slice(0, -1)}x`);
      server.close();
      await once(server, "close");
    }
    assert.ok((await countDescriptors(owner)) <= before);
  }
});

test("another user is told what is in the way: no access to the directory, to the socket, or to replace it", async (t) => {
  if (!requireRoot(t)) return;
  const directory = temporaryDirectory(t);

  const nobody = await Starter.start(t, await compileFixture(t, "starter"));
  await nobody.order({ do: "become", uid: 65534 });
  const refusal = async (path: string) => {
    const outcome = await nobody.order({ do: "listen", path });
    return `${outcome?.result}: ${outcome?.message}`;
  };
  const path = join(directory, "a.sock");
  chmodSync(directory, 0o755);
  assert.match(await refusal(path), /^PERMISSION_DENIED: .*may not create files in .*check its mode and owner/);
  chmodSync(directory, 0o1777);
  await leaveStaleSocket(path);
  chmodSync(path, 0o700);
  assert.match(await refusal(path), /^ADDRESS_IN_USE: .*no access to the socket there/);
  chmodSync(path, 0o666);
  assert.match(await refusal(path), /^PERMISSION_DENIED: .*server of another user \(uid 0\)/);
  assert.deepEqual(readdirSync(directory), ["a.sock"]);
});

/** Without the connections of probes, which the server has yet to see closed. */
async function countDescriptors(server: Server): Promise<number> {
  while ((await promisify(server.getConnections.bind(server))()) > 0) await setImmediate();
  return readdirSync("/proc/self/fd").length;
}

async function startPython(t: TestContext, code: string, path: string): Promise<void> {
  const program = `import socket, sys\npath = sys.argv[1]\n${code}\nprint("ready", flush=True)\nsys.stdin.read()`;
  const child = spawn("python3", ["-c", program, path], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  await once(createInterface(child.stdout), "line");
}
