/** The addon's sockets, against the real kernel. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { MAX_CHUNKS, SOCK_DGRAM, SOCK_STREAM, WOULD_BLOCK } from "../../src/native/binding.js";
import { temporaryDirectory } from "../support/temp.js";
import { connected, descriptors, failure, flagsOf, openedSince, ours, testNative } from "./support.js";

const SO_SNDBUF = 7;
/** A kind of socket that Unix domain sockets do not have. */
const SOCK_RDM = 4;

testNative("what it makes is close-on-exec and does not block", (t, native) => {
  const { listening, near, far } = connected(t, native);
  for (const fd of [listening, near, far]) {
    assert.deepEqual(flagsOf(fd), { isCloseOnExec: true, isNonBlocking: true });
  }
});

testNative("bytes go both ways, in the order of the chunks", (t, native) => {
  const { near, far } = connected(t, native);
  assert.equal(native.write(near, [Buffer.from("ab"), Buffer.alloc(0), Buffer.from("cd")]), 4);
  const into = Buffer.alloc(8);
  assert.equal(native.read(far, into), 4);
  assert.equal(into.toString("latin1", 0, 4), "abcd");
  assert.equal(native.write(far, [Buffer.from("e")]), 1);
  assert.equal(native.read(near, into), 1);
  assert.equal(native.write(far, []), 0);
});

testNative("what finds no place in the first buffer goes to the second", (t, native) => {
  const { near, far } = connected(t, native);
  native.write(near, [Buffer.from("abcdef")]);
  const [into, overflow] = [Buffer.alloc(2), Buffer.alloc(3)];
  assert.equal(native.read(far, into, overflow), 5);
  assert.deepEqual([into.toString(), overflow.toString()], ["ab", "cde"]);
  assert.equal(native.read(far, into, overflow), 1);
  assert.equal(into.toString("latin1", 0, 1), "f");
});

testNative("nobody to accept, nothing to read and no room to write are answers", (t, native) => {
  const { listening, near, far } = connected(t, native);
  assert.equal(native.accept(listening), WOULD_BLOCK);
  assert.equal(native.read(far, Buffer.alloc(8)), WOULD_BLOCK);
  let written = 0;
  const chunk = Buffer.alloc(65_536, "x");
  for (let count = 0; count !== WOULD_BLOCK; ) {
    written += count;
    count = native.write(near, [chunk, chunk]);
  }
  let read = 0;
  for (let count = 0; count !== WOULD_BLOCK; count = native.read(far, chunk)) read += count;
  assert.equal(read, written);
  assert.ok(written > 0);
});

testNative(`one write looks at ${MAX_CHUNKS} chunks`, (t, native) => {
  const { near } = connected(t, native);
  const chunks = Array.from({ length: MAX_CHUNKS + 1 }, () => Buffer.from("x"));
  assert.equal(native.write(near, chunks), MAX_CHUNKS);
});

testNative("a half-closed socket is at its end for the other side, and can still be answered", (t, native) => {
  const { near, far } = connected(t, native);
  native.shutdown(near);
  assert.equal(native.read(far, Buffer.alloc(8)), 0);
  assert.equal(native.write(far, [Buffer.from("bye")]), 3);
  assert.equal(native.read(near, Buffer.alloc(8)), 3);
  native.close(far);
  assert.equal(native.read(near, Buffer.alloc(8)), 0);
});

testNative("writing to nobody is an error and no signal", async (t, native) => {
  let signals = 0;
  const onSignal = () => {
    signals++;
  };
  process.on("SIGPIPE", onSignal);
  t.after(() => process.off("SIGPIPE", onSignal));
  const { near, far } = connected(t, native);
  native.close(far);
  const pipe = { code: "EPIPE", syscall: "sendmsg" };
  assert.deepEqual(
    failure(() => native.write(near, [Buffer.from("x")])),
    pipe,
  );
  await setTimeout(50);
  assert.equal(signals, 0);
  // That this one comes shows that the other would have.
  process.kill(process.pid, "SIGPIPE");
  await setTimeout(50);
  assert.equal(signals, 1);
});

testNative("a larger send buffer holds more", (t, native) => {
  const { near } = connected(t, native);
  const before = native.socketOption(near, SO_SNDBUF);
  native.setSendBuffer(near, before / 4);
  assert.ok(native.socketOption(near, SO_SNDBUF) < before);
});

testNative("a path may have 107 bytes, an abstract name 107 behind its NUL", (t, native) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "x".repeat(107 - directory.length - 1));
  for (const address of [path, `\0${"earshot".padEnd(107, `-${process.pid}`)}`]) {
    const fd = ours(t, native, native.socket(SOCK_STREAM));
    native.bind(fd, Buffer.from(address));
    native.listen(fd, 1);
    native.connect(ours(t, native, native.socket(SOCK_STREAM)), Buffer.from(address));
    const long = Buffer.from(`${address}x`);
    const refused = { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" };
    for (const call of [native.bind, native.connect]) assert.deepEqual(failure(call.bind(native, fd, long)), refused);
  }
  const fd = ours(t, native, native.socket(SOCK_STREAM));
  assert.equal(failure(() => native.bind(fd, Buffer.alloc(0))).code, "ERR_INVALID_ARG_TYPE");
});

testNative("an abstract name has exactly its length", (t, native) => {
  const name = `\0earshot-${process.pid}-${Date.now()}`;
  const fd = ours(t, native, native.socket(SOCK_STREAM));
  native.bind(fd, Buffer.from(name));
  native.listen(fd, 1);
  const other = ours(t, native, native.socket(SOCK_STREAM));
  const refused = { code: "ECONNREFUSED", syscall: "connect" };
  assert.deepEqual(
    failure(() => native.connect(other, Buffer.from(`${name}\0`))),
    refused,
  );
  native.connect(other, Buffer.from(name));
});

testNative("what the kernel refuses is named by code and system call", (t, native) => {
  const { address, near, far } = connected(t, native);
  const fresh = () => ours(t, native, native.socket(SOCK_STREAM));
  const absent = Buffer.from(join(temporaryDirectory(t), "absent"));
  assert.deepEqual(
    [
      failure(() => native.socket(SOCK_RDM)),
      failure(() => native.bind(fresh(), address)),
      failure(() => native.connect(fresh(), absent)),
      failure(() => native.connect(near, address)),
      failure(() => native.listen(fresh(), 1)),
      failure(() => native.accept(far)),
      failure(() => native.read(fresh(), Buffer.alloc(1))),
      failure(() => native.write(fresh(), [Buffer.alloc(1)])),
    ],
    [
      { code: "ESOCKTNOSUPPORT", syscall: "socket" },
      { code: "EADDRINUSE", syscall: "bind" },
      { code: "ENOENT", syscall: "connect" },
      { code: "EISCONN", syscall: "connect" },
      { code: "EINVAL", syscall: "listen" },
      { code: "EINVAL", syscall: "accept" },
      { code: "EINVAL", syscall: "recvmsg" },
      { code: "ENOTCONN", syscall: "sendmsg" },
    ],
  );
});

testNative("connecting to a full queue is EAGAIN, and takes nothing", (t, native) => {
  const address = Buffer.from(join(temporaryDirectory(t), "s"));
  const listening = ours(t, native, native.socket(SOCK_STREAM));
  native.bind(listening, address);
  native.listen(listening, 0);
  native.connect(ours(t, native, native.socket(SOCK_STREAM)), address);
  const waiting = ours(t, native, native.socket(SOCK_STREAM));
  assert.deepEqual(
    failure(() => native.connect(waiting, address)),
    { code: "EAGAIN", syscall: "connect" },
  );
  ours(t, native, native.accept(listening));
  native.connect(waiting, address);
});

testNative("an error has the number of errno, negative as Node's have", (_, native) => {
  assert.throws(() => native.accept(-1), { code: "EBADF", syscall: "accept", errno: -9, message: "accept EBADF" });
});

testNative("an empty datagram is the end of nothing, and its descriptors are closed", (t, native) => {
  const address = Buffer.from(join(temporaryDirectory(t), "s"));
  const receiver = ours(t, native, native.socket(SOCK_DGRAM));
  native.bind(receiver, address);
  const sender = ours(t, native, native.socket(SOCK_DGRAM));
  native.connect(sender, address);
  const before = descriptors();
  native.write(sender, [], [sender]);
  assert.equal(native.read(receiver, Buffer.alloc(8)), 0);
  assert.deepEqual(native.takeDescriptors(), []);
  assert.deepEqual(openedSince(before), []);
});
