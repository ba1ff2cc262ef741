/** What the addon asks the kernel: of sockets, of who is at the other end, and of locks. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import {
  AF_UNIX,
  type Native,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  WOULD_BLOCK,
} from "../../src/native/binding.js";
import { until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireRoot, requireTool } from "../support/tools.js";
import { connected, failure, flagsOf, ours, startProgram, testNative } from "./support.js";

testNative("a socket tells its kind, its family, and whether it listens", (t, native) => {
  const { listening, near } = connected(t, native);
  const datagram = ours(t, native, native.socket(SOCK_DGRAM));
  const told = [listening, near, datagram].map((fd) =>
    [SO_TYPE, SO_ACCEPTCONN, SO_DOMAIN].map((option) => native.socketOption(fd, option)),
  );
  assert.deepEqual(told, [
    [SOCK_STREAM, 1, AF_UNIX],
    [SOCK_STREAM, 0, AF_UNIX],
    [SOCK_DGRAM, 0, AF_UNIX],
  ]);
  assert.deepEqual(
    failure(() => native.socketOption(near, 9_999)),
    { code: "ENOPROTOOPT", syscall: "getsockopt" },
  );
});

testNative("a socket tells its name: a path with its NUL, an abstract name behind one, or nothing", (t, native) => {
  const { listening, near, far, address } = connected(t, native);
  const withNul = Buffer.concat([address, Buffer.alloc(1)]);
  assert.deepEqual(native.socketName(listening), withNul);
  assert.deepEqual(native.socketName(far), withNul);
  assert.deepEqual(native.socketName(near), Buffer.alloc(0));
  const name = Buffer.from(`\0earshot-name-${process.pid}`);
  const fd = ours(t, native, native.socket(SOCK_STREAM));
  native.bind(fd, name);
  assert.deepEqual(native.socketName(fd), name);
});

testNative("the longest path that others can bind fits in a name too", async (t, native) => {
  if (!requireTool(t, "python3")) return;
  const directory = temporaryDirectory(t);
  const path = join(directory, "x".repeat(108 - directory.length - 1));
  const { listening, address } = connected(t, native);
  const code = `
import ctypes, socket, struct, sys
sock, peer = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
# Python itself leaves room for a NUL.
assert ctypes.CDLL(None).bind(sock.fileno(), struct.pack("=H", 1) + sys.argv[1].encode(), 110) == 0
peer.connect(sys.argv[2])
socket.send_fds(peer, [b"x"], [sock.fileno()])
`;
  startProgram(t, "python3", ["-c", code, path, address.toString()]);
  const peer = ours(t, native, await accepted(native, listening));
  await until(() => native.isReadable(peer), "the socket to come");
  native.read(peer, Buffer.alloc(1));
  const [fd = -1] = native.takeDescriptors();
  ours(t, native, fd);
  assert.deepEqual(native.socketName(fd), Buffer.from(path));
});

async function accepted(native: Native, listening: number): Promise<number> {
  let fd = WOULD_BLOCK;
  await until(() => {
    fd = native.accept(listening);
    return fd !== WOULD_BLOCK;
  }, "a connection");
  return fd;
}

/** A process that has connected, and does something before. */
async function visitor(t: TestContext, native: Native, before = "") {
  const { listening, address } = connected(t, native);
  // Other users reach it too.
  chmodSync(dirname(address.toString()), 0o755);
  chmodSync(address.toString(), 0o777);
  const code = `${before}; require("node:net").connect(process.argv[1])`;
  const child = startProgram(t, process.execPath, ["-e", code, address.toString()]);
  return { child, fd: ours(t, native, await accepted(native, listening)) };
}

testNative("the other side's process, user, group and groups are those of who connected", async (t, native) => {
  const { child, fd } = await visitor(t, native);
  assert.deepEqual(native.peerCredentials(fd), [child.pid, process.getuid?.(), process.getgid?.()]);
  assert.equal(native.isSameUser(fd), true);
  const [, groups = ""] = /^Groups:(.*)$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
  assert.deepEqual(native.peerGroups(fd), groups.split(/\s+/).filter(Boolean).map(Number));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual(native.peerCredentials(fd), [child.pid, process.getuid?.(), process.getgid?.()]);
});

testNative("another user's credentials are that user's, with many groups", async (t, native) => {
  if (!requireRoot(t)) return;
  const become = `process.setgroups(Array.from({ length: 500 }, (_, index) => 1000 + index));
    process.setgid(65533); process.setuid(4294967293)`;
  const { child, fd } = await visitor(t, native, become);
  assert.deepEqual(native.peerCredentials(fd), [child.pid, 4_294_967_293, 65_533]);
  assert.equal(native.isSameUser(fd), false);
  assert.deepEqual(
    native.peerGroups(fd),
    Array.from({ length: 500 }, (_, index) => 1_000 + index),
  );
});

testNative("a process without groups has none", async (t, native) => {
  if (!requireRoot(t)) return;
  const { fd } = await visitor(t, native, "process.setgroups([])");
  assert.deepEqual(native.peerGroups(fd), []);
});

testNative("who is nobody's peer has no credentials", (t, native) => {
  const fd = ours(t, native, native.socket(SOCK_STREAM));
  assert.deepEqual(native.peerCredentials(fd), [0, 0xffff_ffff, 0xffff_ffff]);
  assert.equal(native.isSameUser(fd), false);
  assert.equal(failure(() => native.peerGroups(fd)).code, "ENODATA");
  assert.equal(failure(() => native.peerPidfd(fd)).syscall, "getsockopt");
});

testNative("a pidfd is readable when its process is gone", async (t, native) => {
  const { child, fd } = await visitor(t, native);
  let pidfd: number;
  try {
    pidfd = ours(t, native, native.peerPidfd(fd));
  } catch (error) {
    // Before Linux 6.5.
    assert.equal((error as NodeJS.ErrnoException).code, "ENOPROTOOPT");
    return;
  }
  assert.equal(flagsOf(pidfd).isCloseOnExec, true);
  assert.equal(native.isReadable(pidfd), false);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(native.isReadable(pidfd), true);
});

testNative("a socket is readable when something came, or the end", (t, native) => {
  const { listening, near, far, address } = connected(t, native);
  assert.deepEqual([native.isReadable(listening), native.isReadable(near)], [false, false]);
  native.write(far, [Buffer.from("a")]);
  assert.equal(native.isReadable(near), true);
  native.read(near, Buffer.alloc(8));
  assert.equal(native.isReadable(near), false);
  native.shutdown(far);
  assert.deepEqual([native.isReadable(near), native.isHungUp(near)], [true, false]);
  native.close(far);
  assert.deepEqual([native.isReadable(near), native.isHungUp(near)], [true, true]);
  native.connect(ours(t, native, native.socket(SOCK_STREAM)), address);
  assert.equal(native.isReadable(listening), true);
});

function openLock(t: TestContext, path: string): { fd: number; close: () => void } {
  const fd = openSync(path, "r");
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  t.after(close);
  return { fd, close };
}

testNative("a lock excludes others until all descriptors of its open file are closed", (t, native) => {
  const path = join(temporaryDirectory(t), "lock");
  writeFileSync(path, "");
  const [first, second] = [openLock(t, path), openLock(t, path)];
  assert.equal(native.lock(first.fd), true);
  assert.equal(native.lock(first.fd), true);
  assert.equal(native.lock(second.fd), false);
  const copy = native.duplicate(first.fd);
  first.close();
  assert.equal(native.lock(second.fd), false);
  native.close(copy);
  assert.equal(native.lock(second.fd), true);
});

testNative("a lock ends with its process", async (t, native) => {
  if (!requireTool(t, "python3")) return;
  const path = join(temporaryDirectory(t), "lock");
  writeFileSync(path, "");
  const code = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()";
  const child = startProgram(t, "python3", ["-c", code, path]);
  await once(child.stdout, "data");
  const { fd } = openLock(t, path);
  assert.equal(native.lock(fd), false);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(native.lock(fd), true);
});
