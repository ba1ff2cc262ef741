/** What the addon makes of arguments that it cannot use: an error, and nothing else. */
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { type Native, SOCK_STREAM } from "../../src/native/binding.js";
import { connected, descriptors, failure, openedSince, ours, testNative } from "./support.js";

/** What every function says of the arguments of another type than it needs. */
const WRONG_TYPE = { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" };

/** How each is called on a descriptor that must be ours, and the system call that it names. */
const OURS: Readonly<Record<string, [args: readonly unknown[], syscall: string]>> = {
  bind: [[Buffer.from("x")], "bind"],
  listen: [[1], "listen"],
  accept: [[], "accept"],
  connect: [[Buffer.from("x")], "connect"],
  read: [[Buffer.alloc(1)], "recvmsg"],
  write: [[[Buffer.alloc(1)]], "sendmsg"],
  lookAt: [[new Int32Array(2), 0, 1], "lookAt"],
  lookSoon: [[0], "lookSoon"],
  setSendBuffer: [[1], "setsockopt"],
  shutdown: [[], "shutdown"],
  refuse: [[], "shutdown"],
  watch: [[0], "epoll_ctl"],
  close: [[], "close"],
  release: [[], "release"],
};

/** The same of those that take any descriptor. */
const ANY: Readonly<Record<string, [args: readonly unknown[], syscall: string]>> = {
  duplicate: [[], "fcntl"],
  adopt: [[], "fcntl"],
  lock: [[], "flock"],
  addSeals: [[0], "fcntl"],
  seals: [[], "fcntl"],
  map: [[65_536, 0], "lseek"],
  isReadable: [[], "poll"],
  isHungUp: [[], "poll"],
  socketOption: [[3], "getsockopt"],
  socketName: [[], "getsockname"],
  peerCredentials: [[], "getsockopt"],
  isSameUser: [[], "getsockopt"],
  peerGroups: [[], "getsockopt"],
  peerPidfd: [[], "getsockopt"],
};

const NO_NUMBERS = [undefined, null, "1", true, {}, [], () => {}, Symbol("1"), 1n];
const NO_WHOLE_NUMBERS = [Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 32 + 1, -(2 ** 31) - 1];

function call(native: Native, name: string, args: readonly unknown[]): unknown {
  const functions = native as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  return functions[name]?.(...args);
}

/** Watching needs a callback first, and there is one for each thread. */
let isReadied = false;
function ready(native: Native): void {
  if (!isReadied) native.onReady(() => 0, Buffer.alloc(8));
  isReadied = true;
}

testNative("every function of the addon is in these tables, or takes no descriptor", (_, native) => {
  const others = [
    "onReady",
    "socket",
    "socketPair",
    "takeDescriptors",
    "processors",
    "makeMemory",
    "unmap",
    "view",
    "detach",
    "version",
    "canBeUncounted",
  ];
  assert.deepEqual(Object.keys(native).sort(), [...Object.keys(OURS), ...Object.keys(ANY), ...others].sort());
});

testNative("a descriptor that is no whole number is refused", (_, native) => {
  const functions = Object.entries({ ...OURS, ...ANY, socket: [[], "socket"] as const });
  for (const [name, [args]] of functions) {
    for (const wrong of [...NO_NUMBERS, ...NO_WHOLE_NUMBERS]) {
      assert.deepEqual(
        failure(() => call(native, name, [wrong, ...args])),
        WRONG_TYPE,
        `${name}(${String(wrong)})`,
      );
    }
    assert.deepEqual(
      failure(() => call(native, name, [])),
      WRONG_TYPE,
      `${name}()`,
    );
  }
});

testNative("a descriptor that is not ours is EBADF, if it has to be", (t, native) => {
  ready(native);
  const file = openSync("/dev/null", "r");
  t.after(() => closeSync(file));
  const closed = native.socket(SOCK_STREAM);
  native.close(closed);
  for (const [name, [args, syscall]] of Object.entries(OURS)) {
    for (const fd of [file, closed, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      const found = failure(() => call(native, name, [fd, ...args]));
      assert.deepEqual(found, { code: "EBADF", syscall }, `${name}(${fd})`);
    }
  }
});

testNative("a descriptor that nobody has is EBADF for all others, and one of no socket ENOTSOCK", (t, native) => {
  const file = openSync("/dev/null", "r");
  t.after(() => closeSync(file));
  const closed = native.socket(SOCK_STREAM);
  native.close(closed);
  for (const [name, [args, syscall]] of Object.entries(ANY)) {
    // To poll(2), a negative number is one to skip.
    const numbers = syscall === "poll" ? [closed, 2 ** 31 - 1] : [closed, -1, 2 ** 31 - 1];
    for (const fd of numbers) {
      const found = failure(() => call(native, name, [fd, ...args]));
      assert.deepEqual(found, { code: "EBADF", syscall }, `${name}(${fd})`);
    }
    if (!syscall.startsWith("getsock")) continue;
    assert.deepEqual(
      failure(() => call(native, name, [file, ...args])),
      { code: "ENOTSOCK", syscall },
      name,
    );
  }
});

/** One more wrong argument for each function that takes more than a descriptor. */
function misuses(fd: number): [name: string, args: readonly unknown[]][] {
  const bytes = Buffer.alloc(4);
  const noBytes = [undefined, "text", 4, new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2), {}];
  const noLists = [undefined, "text", { length: 1, 0: bytes }, new Set([bytes])];
  const noDescriptors = [null, "text", [], [undefined], ["1"], [1.5], Array(254).fill(fd), { length: 1, 0: fd }];
  return [
    ...noBytes.flatMap((value): [string, unknown[]][] => [
      ["bind", [fd, value]],
      ["connect", [fd, value]],
      ["read", [fd, value]],
      ["write", [fd, [bytes, value]]],
    ]),
    ...noBytes.slice(1).map((value): [string, unknown[]] => ["read", [fd, bytes, value]]),
    ...noLists.map((value): [string, unknown[]] => ["write", [fd, value]]),
    ...noDescriptors.map((value): [string, unknown[]] => ["write", [fd, [bytes], value]]),
    ...[...NO_NUMBERS, ...NO_WHOLE_NUMBERS].flatMap((value): [string, unknown[]][] => [
      ["listen", [fd, value]],
      ["setSendBuffer", [fd, value]],
      ["watch", [fd, value]],
      ["socketOption", [fd, value]],
    ]),
    ...[8, 16, -1, 9].map((events): [string, unknown[]] => ["watch", [fd, events]]),
    ...[undefined, null, {}, "f"].map((value): [string, unknown[]] => ["onReady", [value, bytes]]),
    ...noBytes.map((value): [string, unknown[]] => ["onReady", [() => 0, value]]),
  ];
}

testNative("other arguments of another type than is needed are refused, and nothing is sent", (t, native) => {
  ready(native);
  const { near, far } = connected(t, native);
  for (const [name, args] of misuses(near)) {
    assert.deepEqual(
      failure(() => call(native, name, args)),
      WRONG_TYPE,
      `${name} ${String(args[1])}`,
    );
  }
  assert.equal(native.read(far, Buffer.alloc(8)), -1);
});

testNative("whatever it is called with, the process and its descriptors stay as they are", (t, native) => {
  ready(native);
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  const proxy = new Proxy([], {});
  const odd = [...NO_NUMBERS, ...NO_WHOLE_NUMBERS, -1, 2 ** 31 - 1, 4_000, detached, shared, proxy, [detached], [[]]];
  const { near } = connected(t, native);
  const before = descriptors();
  const taking = new Set(["socket", "close", "release", "duplicate", "adopt", "peerPidfd"]);
  for (const name of Object.keys(native).filter((name) => !["onReady", "makeMemory"].includes(name))) {
    for (const first of taking.has(name) ? odd : [near, ...odd]) {
      for (const second of odd) for (const third of odd) failure(() => call(native, name, [first, second, third]));
    }
  }
  assert.deepEqual(openedSince(before), []);
});

/** An array whose last element does something while it is looked at. */
function trap(elements: readonly unknown[], spring: () => unknown): unknown[] {
  const list = [...elements, undefined];
  Object.defineProperty(list, elements.length, { get: spring });
  return list;
}

testNative("a list that closes the socket or frees the bytes while it is read does no harm", (t, native) => {
  const bytes = () => Buffer.from(new Uint8Array(65_536).fill(1).buffer);
  const { near: first } = connected(t, native);
  const closing = trap([bytes()], () => {
    native.close(first);
    return bytes();
  });
  const bad = { code: "EBADF", syscall: "sendmsg" };
  assert.deepEqual(
    failure(() => call(native, "write", [first, closing])),
    bad,
  );
  const { near, far } = connected(t, native);
  const freed = bytes();
  const freeing = trap([freed], () => {
    structuredClone(freed, { transfer: [freed.buffer as ArrayBuffer] });
    return Buffer.from("x");
  });
  assert.equal(call(native, "write", [near, freeing]), 1);
  const throwing = trap([], () => {
    throw new RangeError("no");
  });
  assert.throws(() => call(native, "write", [near, throwing]), RangeError);
  assert.throws(() => call(native, "write", [near, [Buffer.from("y")], throwing]), RangeError);
  assert.equal(native.read(far, Buffer.alloc(8)), 1);
});

testNative("a number that somebody else closed is free to be used again", (t, native) => {
  ready(native);
  const { near } = connected(t, native);
  native.watch(near, 1);
  closeSync(near);
  const again = ours(t, native, native.socket(SOCK_STREAM));
  assert.equal(again, near);
  native.watch(again, 0);
});
