/** Descriptors that travel, and whose they are. */
import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { MAX_DESCRIPTORS, type Native, SOCK_STREAM, WOULD_BLOCK } from "../../src/native/binding.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";
import { connected, descriptors, failure, flagsOf, openedSince, ours, runProgram, testNative } from "./support.js";

/** An open file, closed after the test. */
function openFile(t: TestContext, text = ""): number {
  const path = join(temporaryDirectory(t), "f");
  writeFileSync(path, text);
  const fd = openSync(path, "r");
  t.after(() => closeSync(fd));
  return fd;
}

/** Reads once, and takes what came. */
function receive(native: Native, fd: number): { bytes: number; received: number[] } {
  const count = native.read(fd, Buffer.alloc(1_024));
  if (count >= WOULD_BLOCK) return { bytes: count, received: [] };
  return { bytes: WOULD_BLOCK - count, received: native.takeDescriptors() };
}

testNative("a descriptor that is sent arrives as one of ours for the same file, close-on-exec", (t, native) => {
  const file = openFile(t, "text");
  const { near, far } = connected(t, native);
  const before = descriptors();
  assert.equal(native.write(near, [Buffer.from("abc")], [file]), 3);
  const { bytes, received } = receive(native, far);
  assert.equal(bytes, 3);
  assert.equal(received.length, 1);
  const [fd = -1] = received;
  assert.notEqual(fd, file);
  assert.equal(fstatSync(fd).ino, fstatSync(file).ino);
  assert.equal(flagsOf(fd).isCloseOnExec, true);
  assert.deepEqual(native.takeDescriptors(), []);
  native.close(fd);
  assert.deepEqual(openedSince(before), []);
});

testNative("the next read waits until descriptors are taken", (t, native) => {
  const { near, far } = connected(t, native);
  native.write(near, [Buffer.from("a")], [near]);
  assert.equal(native.read(far, Buffer.alloc(8)), WOULD_BLOCK - 1);
  assert.equal(failure(() => native.read(far, Buffer.alloc(8))).code, "ERR_INVALID_STATE");
  for (const fd of native.takeDescriptors()) native.close(fd);
  assert.equal(native.read(far, Buffer.alloc(8)), WOULD_BLOCK);
});

testNative("a read ends behind the bytes that brought descriptors", (t, native) => {
  const { near, far } = connected(t, native);
  native.write(near, [Buffer.from("a")], [near]);
  native.write(near, [Buffer.from("bc")], [near, far]);
  native.write(near, [Buffer.from("d")]);
  const seen: [bytes: number, descriptors: number][] = [];
  for (let turn = 0; turn < 3; turn++) {
    const { bytes, received } = receive(native, far);
    seen.push([bytes, received.length]);
    for (const fd of received) native.close(fd);
  }
  assert.deepEqual(seen, [
    [1, 1],
    [2, 2],
    [1, 0],
  ]);
});

testNative("descriptors without room for bytes are closed, for their number cannot be told", (t, native) => {
  const { near, far } = connected(t, native);
  const before = descriptors();
  native.write(near, [Buffer.from("a")], [near, near]);
  assert.equal(native.read(far, Buffer.alloc(0)), 0);
  assert.deepEqual(native.takeDescriptors(), []);
  assert.deepEqual(openedSince(before), []);
});

testNative(`${MAX_DESCRIPTORS} descriptors arrive, one more is refused`, (t, native) => {
  const { near, far } = connected(t, native);
  const before = descriptors();
  const most = Array<number>(MAX_DESCRIPTORS).fill(near);
  const refused = failure(() => native.write(near, [Buffer.from("a")], [...most, near]));
  assert.deepEqual(refused, { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  assert.equal(native.write(near, [Buffer.from("a")], most), 1);
  const { received } = receive(native, far);
  assert.equal(new Set(received).size, MAX_DESCRIPTORS);
  for (const fd of received) native.close(fd);
  assert.deepEqual(openedSince(before), []);
});

testNative("a descriptor that nobody has is EBADF, and nothing is sent", (t, native) => {
  const { near, far } = connected(t, native);
  const closed = native.socket(SOCK_STREAM);
  native.close(closed);
  for (const wrong of [closed, -1]) {
    const found = failure(() => native.write(near, [Buffer.from("a")], [near, wrong]));
    assert.deepEqual(found, { code: "EBADF", syscall: "sendmsg" });
  }
  assert.equal(native.read(far, Buffer.alloc(8)), WOULD_BLOCK);
});

testNative("descriptors stay open here, and wait for a write that is taken", (t, native) => {
  const { near, far } = connected(t, native);
  const chunk = Buffer.alloc(65_536);
  while (native.write(near, [chunk]) !== WOULD_BLOCK);
  assert.equal(native.write(near, [chunk], [near]), WOULD_BLOCK);
  while (native.read(far, chunk) !== WOULD_BLOCK);
  assert.equal(native.write(near, [Buffer.from("a")], [near]), 1);
  const { received } = receive(native, far);
  assert.equal(received.length, 1);
  native.close(received[0]!);
});

testNative("a socket that closes with descriptors under way closes them too", (t, native) => {
  const before = descriptors();
  const { listening, near, far } = connected(t, native);
  native.write(near, [Buffer.from("a")], [listening]);
  for (const fd of [near, far, listening]) native.close(fd);
  assert.deepEqual(openedSince(before), []);
});

testNative("what is released is open, and somebody else's to close", (t, native) => {
  const fd = native.duplicate(openFile(t, "x"));
  native.release(fd);
  assert.deepEqual(
    failure(() => native.close(fd)),
    { code: "EBADF", syscall: "close" },
  );
  assert.equal(readSync(fd, Buffer.alloc(8)), 1);
  closeSync(fd);
});

testNative("a duplicate is ours, close-on-exec, and of the same open file", (t, native) => {
  const file = openFile(t, "ab");
  const copy = ours(t, native, native.duplicate(file));
  assert.equal(flagsOf(copy).isCloseOnExec, true);
  // Both have one position.
  readSync(file, Buffer.alloc(1));
  const rest = Buffer.alloc(8);
  assert.equal(readSync(copy, rest), 1);
  assert.equal(rest.toString("latin1", 0, 1), "b");
});

testNative("what is adopted does not block, and is ours, once", (t, native) => {
  const file = openFile(t);
  const fd = native.duplicate(file);
  native.release(fd);
  assert.deepEqual(flagsOf(fd), { isCloseOnExec: true, isNonBlocking: false });
  assert.equal(native.adopt(fd), fd);
  assert.deepEqual(flagsOf(fd), { isCloseOnExec: true, isNonBlocking: true });
  assert.deepEqual(
    failure(() => native.adopt(fd)),
    { code: "EBUSY", syscall: "fcntl" },
  );
  native.close(fd);
  assert.equal(failure(() => native.close(fd)).code, "EBADF");
});

testNative("more descriptors than the process may have is EMFILE, and those that came are closed", async (t) => {
  const code = `
    const { near, far } = connected(process.argv[1]);
    const before = descriptors();
    const told = [];
    const [most, few] = [Array(35).fill(near), [near, near]];
    for (let turn = 0; turn < 3; turn++) {
      native.write(near, [Buffer.from("a")], most);
      try {
        native.read(far, Buffer.alloc(8));
      } catch ({ code, syscall }) {
        told.push([code, syscall, native.takeDescriptors().length, descriptors() - before]);
      }
      native.write(near, [Buffer.from("a")], few);
      told.push([native.read(far, Buffer.alloc(8)), native.takeDescriptors().map((fd) => native.close(fd)).length]);
    }
    told.push([descriptors() - before]);
    console.log(JSON.stringify(told));
  `;
  const args = [join(temporaryDirectory(t), "s")];
  const { code: status, stdout, stderr } = await runProgram(t, code, args, "ulimit -n 40; exec");
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  const turn = [
    ["EMFILE", "recvmsg", 0, 0],
    [-2, 2],
  ];
  assert.deepEqual(JSON.parse(stdout.toString()), [...turn, ...turn, ...turn, [0]]);
});

/** Starts the program that its arguments name with a socket that brings credentials and a pidfd with each message. */
const PASSING = `
import os, socket, sys
near, far = socket.socketpair()
far.setsockopt(socket.SOL_SOCKET, 16, 1)
try: far.setsockopt(socket.SOL_SOCKET, 76, 1)
except OSError: pass
socket.send_fds(near, [b"abc"], [0] * 253)
os.set_inheritable(far.fileno(), True)
os.execvp(sys.argv[1], [*sys.argv[1:], str(far.fileno())])
`;

testNative("what else an adopted socket brings takes no room from descriptors, and does not stay", async (t) => {
  if (!requireTool(t, "python3")) return;
  const code = `
    const fd = Number(process.argv[1]);
    native.adopt(fd);
    const before = descriptors();
    const count = native.read(fd, Buffer.alloc(8));
    const received = native.takeDescriptors();
    const more = descriptors() - before;
    for (const fd of received) native.close(fd);
    console.log(count, received.length, more, descriptors() - before);
  `;
  const wrap = `exec python3 -c '${PASSING}'`;
  const { code: status, stdout, stderr } = await runProgram(t, code, [], wrap);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  assert.equal(stdout.toString(), "-4 253 253 0\n");
});
