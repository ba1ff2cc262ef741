/** Being told that a socket is ready. */
import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { AT_ONCE, type Native, READABLE, WOULD_BLOCK, WRITABLE } from "../../src/native/binding.js";
import { until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { connected, failure, ours, runProgram, testNative } from "./support.js";

type OnReady = (fd: number, events: number, idleUs: number, count: number) => number;

/** There is one callback for each thread: this is who gets it. */
let current: OnReady = () => 0;
let isSet = false;
const buffer = Buffer.alloc(64);

function onReady(native: Native, callback: OnReady): void {
  current = callback;
  if (!isSet) native.onReady((...given) => current(...given), buffer);
  isSet = true;
}

/** Long enough for whatever is ready to be told. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

testNative("a socket is reported while it is ready for what is watched, and no longer", async (t, native) => {
  const { near, far } = connected(t, native);
  const seen: [fd: number, events: number][] = [];
  const report = (fd: number, events: number) => {
    seen.push([fd, events]);
    native.watch(fd, 0);
    return 0;
  };
  onReady(native, report);
  native.watch(near, READABLE);
  await turns();
  assert.deepEqual(seen, []);
  native.watch(near, WRITABLE);
  await until(() => seen.length === 1, "room to write");
  native.write(far, [Buffer.from("a")]);
  native.watch(near, READABLE);
  await until(() => seen.length === 2, "something to read");
  native.watch(near, READABLE | WRITABLE);
  await until(() => seen.length === 3, "both");
  await turns();
  assert.deepEqual(seen, [
    [near, WRITABLE],
    [near, READABLE],
    [near, READABLE | WRITABLE],
  ]);
});

testNative("who asks for more is called again at once, and lets others have their turn", async (t, native) => {
  const { near, far } = connected(t, native);
  native.write(far, [Buffer.from("a")]);
  let calls = 0;
  let callsInTurn = 0;
  let most = 0;
  onReady(native, () => {
    if (callsInTurn === 0) setImmediate(() => (callsInTurn = 0));
    most = Math.max(most, ++callsInTurn);
    if (++calls < 100) return AT_ONCE;
    native.watch(near, 0);
    return 0;
  });
  native.watch(near, READABLE);
  await until(() => calls === 100, "a hundred calls");
  await turns();
  assert.deepEqual({ calls, most }, { calls: 100, most: 32 });
});

testNative("who stops watching, closes or pauses is not called again at once", async (t, native) => {
  const endings: ((fd: number) => void)[] = [
    (fd) => native.watch(fd, 0),
    (fd) => native.watch(fd, WRITABLE),
    (fd) => native.close(fd),
    (fd) => native.release(fd),
  ];
  for (const end of endings) {
    const { near, far } = connected(t, native);
    native.write(far, [Buffer.from("a")]);
    const seen: number[] = [];
    onReady(native, (fd, events) => {
      if (events === READABLE) end(fd);
      else native.watch(fd, 0);
      seen.push(events);
      return AT_ONCE;
    });
    native.watch(near, READABLE);
    await until(() => seen.length > 0, "the socket to be ready");
    await turns();
    assert.equal(seen.filter((events) => events === READABLE).length, 1);
    if (end === endings[3]) ours(t, native, native.adopt(near));
  }
});

testNative(
  "what one callback closes is not reported in the same turn, nor who has its number then",
  async (t, native) => {
    const pairs = Array.from({ length: 8 }, () => connected(t, native));
    for (const { near, far } of pairs) {
      native.write(far, [Buffer.from("a")]);
      native.watch(near, READABLE);
    }
    const seen: number[] = [];
    onReady(native, (first) => {
      seen.push(first);
      for (const { near } of pairs) {
        native.close(near);
        // With the same number, unless something else in the process was faster.
        ours(t, native, native.socket(1));
      }
      for (const { far } of pairs) native.close(far);
      return AT_ONCE;
    });
    await until(() => seen.length > 0, "one of them to be ready");
    await turns();
    assert.equal(seen.length, 1);
  },
);

testNative("after an error nothing is watched any more, and reading names it", async (t, native) => {
  const { near, far } = connected(t, native);
  const seen: number[] = [];
  onReady(native, (_, events) => {
    seen.push(events);
    return AT_ONCE;
  });
  native.write(near, [Buffer.from("never read")]);
  native.watch(near, READABLE);
  native.close(far);
  await until(() => seen.length > 0, "the error");
  await turns();
  assert.deepEqual(seen, [0]);
  assert.deepEqual(
    failure(() => native.read(near, Buffer.alloc(8))),
    { code: "ECONNRESET", syscall: "recvmsg" },
  );
  // It can be watched again, for the end that is left to read.
  native.watch(near, READABLE);
  await until(() => seen.length > 1, "the end");
  native.watch(near, 0);
  assert.equal(native.read(near, Buffer.alloc(8)), 0);
});

testNative("a listening socket is readable while somebody waits", async (t, native) => {
  const { listening, address } = connected(t, native);
  let accepted = 0;
  onReady(native, (fd) => {
    for (let next = native.accept(fd); next !== WOULD_BLOCK; next = native.accept(fd)) {
      native.close(next);
      accepted++;
    }
    return 0;
  });
  native.watch(listening, READABLE);
  for (let count = 0; count < 5; count++) native.connect(ours(t, native, native.socket(1)), address);
  await until(() => accepted === 5, "five connections");
});

testNative("what epoll does not take is refused by name", (t, native) => {
  onReady(native, () => 0);
  const path = join(temporaryDirectory(t), "f");
  writeFileSync(path, "");
  const file = openSync(path, "r");
  t.after(() => closeSync(file));
  const copy = ours(t, native, native.duplicate(file));
  assert.deepEqual(
    failure(() => native.watch(copy, READABLE)),
    { code: "EPERM", syscall: "epoll_ctl" },
  );
});

testNative("there is one callback, and watching comes after it", async (t) => {
  const code = `
    const told = [], buffer = Buffer.alloc(8);
    const attempt = (call) => { try { call(); told.push("ok"); } catch ({ code }) { told.push(code); } };
    const { near } = connected(process.argv[1]);
    attempt(() => native.watch(near, 1));
    attempt(() => native.onReady(() => 0, buffer));
    attempt(() => native.onReady(() => 0, buffer));
    attempt(() => native.watch(near, 1));
    native.watch(near, 0);
    console.log(told.join());
  `;
  assert.deepEqual(await outcome(t, code), {
    code: 0,
    stdout: "ERR_INVALID_ARG_TYPE,ok,ERR_INVALID_ARG_TYPE,ok\n",
    stderr: "",
  });
});

/** A program whose socket `near` is told that there is something to read, while `ready` is its callback. */
async function outcome(t: TestContext, code: string) {
  const { code: status, stdout, stderr } = await runProgram(t, code, [join(temporaryDirectory(t), "s")]);
  return { code: status, stdout: stdout.toString(), stderr };
}

const READY = `
  const { near, far, listening } = connected(process.argv[1]);
  native.onReady((...given) => ready(...given), Buffer.alloc(8));
  native.watch(near, 1);
  native.write(far, [Buffer.from("a")]);
`;

testNative("what a callback throws is an uncaught exception, and a process that handles it goes on", async (t) => {
  const handling = `${READY}
    let count = 0;
    function ready(fd) {
      if (++count === 3) native.watch(fd, 0);
      throw new RangeError("number " + count);
    }
    process.on("uncaughtException", (error, origin) => console.log(error.name, error.message, origin));
  `;
  const lines = [1, 2, 3].map((count) => `RangeError number ${count} uncaughtException\n`);
  assert.deepEqual(await outcome(t, handling), { code: 0, stdout: lines.join(""), stderr: "" });
});

testNative("a process that does not handle it ends as it does after every uncaught exception", async (t) => {
  const { code, stderr } = await outcome(t, `${READY} function ready() { throw new RangeError("nobody cares"); }`);
  assert.equal(code, 1);
  assert.match(stderr, /RangeError: nobody cares\n\s+at ready/);
});

testNative("promises that a callback settles go on before the next callback", async (t) => {
  const code = `${READY}
    const order = [];
    function ready(fd) {
      order.push("ready");
      Promise.resolve().then(() => order.push("promise"));
      process.nextTick(() => order.push("tick"));
      if (order.length > 3) native.watch(fd, 0);
      return -1;
    }
    process.on("exit", () => console.log(order.join()));
  `;
  const { code: status, stdout } = await outcome(t, code);
  assert.equal(status, 0);
  assert.equal(stdout, "ready,tick,promise,ready,tick,promise\n");
});

testNative("a process may exit in a callback", async (t) => {
  const code = `${READY} function ready() { process.exit(7); }`;
  assert.deepEqual(await outcome(t, code), { code: 7, stdout: "", stderr: "" });
});

testNative("a process lives while it watches, and ends by itself when it does not", async (t) => {
  const code = `${READY} function ready(fd) { setTimeout(() => native.watch(fd, 0), 20); return 0; }`;
  assert.deepEqual(await outcome(t, code), { code: 0, stdout: "", stderr: "" });
});
