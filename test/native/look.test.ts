/** Waiting awake for more to read. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Native, OVER, READABLE, WOULD_BLOCK } from "../../src/native/binding.js";
import { until } from "../support/children.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";
import { connected, runProgram, testNative } from "./support.js";

type OnReady = Parameters<Native["onReady"]>[0];

/** There is one callback for each thread: this is who gets it. */
let current: OnReady = () => 0;
let isSet = false;
const buffer = Buffer.alloc(64);

function onReady(native: Native, callback: OnReady): void {
  current = callback;
  if (!isSet) native.onReady((...given) => current(...given), buffer);
  isSet = true;
}

testNative("who looks for more is told of it with its bytes, before it sleeps", async (t, native) => {
  const { near, far } = connected(t, native);
  const seen: [events: number, count: number, text: string][] = [];
  onReady(native, (fd, events, idleUs, count) => {
    assert.ok(idleUs >= 0);
    if (count === WOULD_BLOCK) count = native.read(fd, buffer);
    seen.push([events, count, buffer.toString("utf8", 0, Math.max(count, 0))]);
    // Its answer is there before the thread could sleep.
    if (seen.length < 3) native.write(far, Buffer.from(`answer ${seen.length}`));
    return 1_000_000;
  });
  native.watch(near, READABLE);
  native.write(far, Buffer.from("first"));
  await until(() => seen.length === 3, "all that was written");
  assert.deepEqual(seen, [
    [READABLE, 5, "first"],
    [READABLE, 8, "answer 1"],
    [READABLE, 8, "answer 2"],
  ]);
});

testNative("looking ends when the event loop has anything else to do", async (t, native) => {
  const pairs = [connected(t, native), connected(t, native)] as const;
  const seen: number[] = [];
  onReady(native, (fd, _, __, count) => {
    if (count === WOULD_BLOCK) native.read(fd, buffer);
    seen.push(fd);
    if (seen.length === 1) native.write(pairs[1].far, Buffer.from("b"));
    if (seen.length === 2) setImmediate(() => seen.push(-1));
    // A minute: this test would not end.
    return seen.length < 3 ? 60_000_000 : 0;
  });
  for (const { near } of pairs) native.watch(near, READABLE);
  native.write(pairs[0].far, Buffer.from("a"));
  await until(() => seen.length === 3, "what else there is");
  assert.deepEqual(seen, [pairs[0].near, pairs[1].near, -1]);
});

testNative("who asks for it is told what comes soon, and that nothing has come", async (t, native) => {
  const { near, far } = connected(t, native);
  const seen: [events: number, text: string][] = [];
  onReady(native, (_, events, __, count) => {
    seen.push([events, buffer.toString("utf8", 0, Math.max(count, 0))]);
    return 0;
  });
  native.watch(near, READABLE);
  native.lookSoon(near, 200);
  await until(() => seen.length === 1, "the end of a look");
  native.lookSoon(near, 60_000_000);
  native.write(far, Buffer.from("answer"));
  await until(() => seen.length === 2, "what was looked for");
  assert.deepEqual(seen, [
    [OVER, ""],
    [READABLE, "answer"],
  ]);
});

testNative(
  "a look that has had no turn yet ends with its socket, and need not be made for what is here",
  async (t, native) => {
    const { near, far } = connected(t, native);
    const seen: number[] = [];
    onReady(native, (fd, events, _, count) => {
      if (count === WOULD_BLOCK && events === READABLE) native.read(fd, buffer);
      seen.push(events);
      return 0;
    });
    native.watch(near, READABLE);
    // Of one who reads nothing, only that it has not been looked for.
    native.watch(near, 0);
    native.write(far, Buffer.from("unread"));
    native.lookSoon(near, 60_000_000);
    await until(() => seen.length === 1, "the end of a look");
    native.lookSoon(near, 60_000_000);
    native.close(near);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(seen, [OVER]);
  },
);

testNative("timers have their turn, however much is found", async (t, native) => {
  const { near, far } = connected(t, native);
  let isOver = false;
  let calls = 0;
  onReady(native, (fd, _, __, count) => {
    // Without end, if it were not for this.
    if (++calls === 1) setTimeout(() => (isOver = true), 10);
    if (count === WOULD_BLOCK) native.read(fd, buffer);
    if (!isOver) native.write(far, Buffer.from("a"));
    return isOver ? 0 : 1_000;
  });
  native.watch(near, READABLE);
  native.write(far, Buffer.from("a"));
  await until(() => isOver, "the timer");
  assert.ok(calls > 1, `${calls}`);
});

testNative("what is found with descriptors, at the end or broken is told as by a read", async (t, native) => {
  const { near, far } = connected(t, native);
  const seen: string[] = [];
  onReady(native, (fd, _, __, count) => {
    if (count === WOULD_BLOCK) {
      try {
        count = native.read(fd, buffer);
      } catch (error) {
        seen.push((error as NodeJS.ErrnoException).code ?? "");
        native.watch(fd, 0);
        return 0;
      }
    }
    seen.push(String(count));
    for (const descriptor of count < WOULD_BLOCK ? native.takeDescriptors() : []) native.close(descriptor);
    if (seen.length === 1) native.write(far, Buffer.from("abc"), [far]);
    // What it is written and does not read makes the end an error.
    if (seen.length === 2) native.write(near, Buffer.from("never read"));
    if (seen.length === 2) native.close(far);
    return 1_000_000;
  });
  native.watch(near, READABLE);
  native.write(far, Buffer.from("a"));
  await until(() => seen.length === 3, "the error");
  assert.deepEqual(seen, ["1", "-4", "ECONNRESET"]);
});

testNative("what is found with descriptors that find no place is an error, and no bytes without them", async (t) => {
  const code = `
    const { near, far } = connected(process.argv[1]);
    const buffer = Buffer.alloc(64);
    const told = [];
    native.onReady((fd, events, idleUs, count) => {
      told.push(count);
      try {
        if (count === -1) told.push(native.read(fd, buffer));
      } catch ({ code, syscall }) {
        console.log(JSON.stringify([...told, code, syscall, native.takeDescriptors()]));
        process.exit();
      }
      if (told.length > 2) throw new Error("it was told of " + told);
      try {
        for (;;) native.duplicate(0);
      } catch {
        native.write(far, Buffer.from("abc"), [near, near]);
      }
      return 1_000_000;
    }, buffer);
    native.watch(near, 1);
    native.write(far, Buffer.from("a"));
  `;
  const args = [join(temporaryDirectory(t), "s")];
  const { code: status, stdout, stderr } = await runProgram(t, code, args, "ulimit -n 40; exec");
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  assert.deepEqual(JSON.parse(stdout.toString()), [-1, 1, -1, "EMFILE", "recvmsg", []]);
});

testNative("the processors that this thread may run on are counted as they are", (t, native) => {
  if (!requireTool(t, "taskset")) return;
  const [, allowed = ""] = /Cpus_allowed_list:\s+(\S+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  const before = native.processors();
  const pin = (list: string) => void execFileSync("taskset", ["-pc", list, String(process.pid)]);
  pin(allowed.split(/[,-]/)[0] ?? "0");
  assert.equal(native.processors(), 1);
  pin(allowed);
  assert.equal(native.processors(), before);
});
