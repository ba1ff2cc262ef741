import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { contract, procedure, type } from "../../src/contract/index.js";
import { all, later, serving } from "../contract/support.js";
import { until } from "../support/children.js";
import { EARSHOT, type Ended, earshot, Program, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { LIMIT } from "./helpers.js";

type Test = Parameters<typeof temporaryDirectory>[0];

const streams = contract("streams", "1.0.0", {
  count: procedure({ yields: type<number>() }),
  sum: procedure({ accepts: type<number>(), output: type<number>() }),
  echo: procedure({ accepts: type<unknown>(), yields: type<unknown>() }),
  wait: procedure({ output: type<never>() }),
});

/** A server that tells the test what happens to its calls. */
async function streamServer(t: Test) {
  const begun = later();
  const aborted = later();
  const seen = { produced: 0, consumed: 0, received: [] as unknown[], failure: later<unknown>() };
  const watch = ({ signal }: { readonly signal: AbortSignal }) => {
    begun.resolve();
    signal.addEventListener("abort", () => aborted.resolve());
  };
  const { address } = await serving(t, streams, {
    count: async function* (context) {
      watch(context);
      for (;;) yield seen.produced++;
    },
    sum: async (numbers, context) => {
      watch(context);
      try {
        return (await all(numbers)).reduce((sum, number) => sum + number, 0);
      } catch (error) {
        seen.failure.resolve(error);
        throw error;
      }
    },
    echo: async function* (items, context) {
      watch(context);
      for await (const item of items) {
        seen.consumed++;
        yield item;
      }
    },
    wait: (context) => {
      watch(context);
      return new Promise<never>(() => {});
    },
  });
  return { address, begun: begun.promise, aborted: aborted.promise, seen };
}

test("items go to the server, and come from it, one a line and as they come", LIMIT, async (t) => {
  const { address } = await streamServer(t);
  const program = earshot(t, ["call", address, "echo"], { input: "open" });
  for (const line of ["1", '{"a":["\\n"]}', '"ü"', '{"$date":"2026-01-31T12:00:00.000Z"}']) {
    program.child.stdin?.write(`${line}\n`);
    await program.says("stdout", `${line}\n`);
  }
  // However it is cut, also in the middle of a character; and the last needs no newline.
  const bytes = Buffer.from('\n  \n"ä€😀"');
  for (const byte of bytes) program.child.stdin?.write(Buffer.of(byte));
  program.child.stdin?.end();
  const { code, stdout, stderr } = await program.ended;
  assert.ok(stdout.toString().endsWith('"ä€😀"\n'));
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("a hundred thousand lines go up, and their sum comes down", LIMIT, async (t) => {
  const { address } = await streamServer(t);
  const input = Array.from({ length: 100_000 }, (_, index) => `${index}\n`).join("");
  const { code, stdout } = await run(t, ["call", address, "sum"], { input });
  assert.equal(stdout.toString(), `${(99_999 * 100_000) / 2}\n`);
  assert.equal(code, 0);
});

test("no items are none", LIMIT, async (t) => {
  const { address } = await streamServer(t);
  assert.equal((await run(t, ["call", address, "sum"], { input: "" })).stdout.toString(), "0\n");
});

for (const [input, message] of [
  ["1\n2\n\n{3\n4\n", /^earshot: Cannot read line 4 of standard input: it is no JSON \(.*\)\n$/],
  ["1\n\xff\n", /^earshot: Cannot read line 2 of standard input: it is no UTF-8\n$/],
  ['1\n{"$bigint":"x"}\n', /^earshot: Cannot read line 2 of standard input: \{"\$bigint":"x"\} is no value: .*\n$/],
  ['{"__proto__":1}\n', /^earshot: Cannot call sum at ".*": the item cannot be sent: .*"__proto__".*\n$/],
] as const) {
  test(`a bad line is told with its number, and cancels the call: ${JSON.stringify(input)}`, LIMIT, async (t) => {
    const { address, seen } = await streamServer(t);
    const program = earshot(t, ["call", address, "sum"], { input: "open" });
    program.child.stdin?.write(Buffer.from(input, "latin1"));
    const { code, stdout, stderr } = await program.ended;
    assert.match(stderr, message);
    assert.equal(stdout.length, 0);
    assert.notEqual(code, 0);
    assert.ok((await seen.failure.promise) instanceof Error);
  });
}

test("a line that is too long is read no further", LIMIT, async (t) => {
  const { address } = await streamServer(t);
  const command = `head -c 200000000 /dev/zero | "${process.execPath}" "${EARSHOT}" call "${address}" sum --max-message-bytes 100000`;
  const { code, stderr } = await new Program(t, "sh", ["-c", command]).ended;
  assert.match(stderr, /line 1 of standard input: it has more than 100000 bytes/);
  assert.equal(code, 4);
});

test("who reads slowly holds back the server, and then gets everything in order", LIMIT, async (t) => {
  const { address, seen, begun } = await streamServer(t);
  const program = earshot(t, ["call", address, "count"], { isStdoutUnread: true });
  await begun;
  const stopped = await settled(() => seen.produced);
  program.readStdout();
  // So much more than can be on its way that thousands of lines have come.
  await until(() => seen.produced > stopped + 200_000, "the server to go on");
  program.signal("SIGTERM");
  const lines = (await program.ended).stdout.toString().split("\n").slice(0, -1);
  assert.ok(lines.length > 10_000);
  assert.ok(lines.slice(0, -1).every((line, index) => line === String(index)));
});

test("who reads slowly holds back standard input as well", LIMIT, async (t) => {
  const { address, seen, begun } = await streamServer(t);
  const source = `yes '{"text":"${"x".repeat(1_000)}"}' | head -n 20000`;
  const command = `${source} | "${process.execPath}" "${EARSHOT}" call "${address}" echo`;
  const program = new Program(t, "sh", ["-c", command], { isStdoutUnread: true });
  await begun;
  assert.ok((await settled(() => seen.consumed)) < 20_000);
  program.readStdout();
  const { code, stdout } = await program.ended;
  assert.equal(code, 0);
  assert.equal(stdout.toString().split("\n").length, 20_001);
});

/** What a number comes to when it stands still. */
async function settled(read: () => number): Promise<number> {
  let last = -1;
  let times = 0;
  await until(() => {
    times = read() === last && last > 0 ? times + 1 : 0;
    last = read();
    return times > 30;
  }, "the server to be held back");
  return last;
}

for (const [signal, number] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`${signal} cancels the call, whose handler is told, and ends with ${number} in a shell`, LIMIT, async (t) => {
    const { address, begun, aborted } = await streamServer(t);
    const script = `"${process.execPath}" "${EARSHOT}" call "${address}" wait & echo $!; wait $!; echo "code $?"`;
    const shell = new Program(t, "bash", ["-c", script]);
    await begun;
    await shell.says("stdout", "\n");
    process.kill(Number.parseInt(shell.stdout.toString(), 10), signal);
    const { stdout, stderr } = await shell.ended;
    assert.match(stdout.toString(), new RegExp(`code ${number}\n$`));
    assert.doesNotMatch(stderr, /earshot:/);
    await aborted;
  });
}

for (const [what, procedureName, options] of [
  ["that streams", "count", {}],
  ["whose output nobody reads", "count", { isStdoutUnread: true }],
  ["that waits for standard input", "sum", { input: "open" }],
  ["of which both sides stream", "echo", { input: "open" }],
] as const) {
  test(`Ctrl-C ends a call ${what} as the signal it is`, LIMIT, async (t) => {
    const { address, begun, aborted } = await streamServer(t);
    const program = earshot(t, ["call", address, procedureName], options);
    await begun;
    program.signal("SIGINT");
    await aborted;
    // What is not read keeps its pipe open, but not the process.
    const exited = new Promise<NodeJS.Signals | null>((resolve) =>
      program.child.once("exit", (_code, signal) => resolve(signal)),
    );
    assert.equal(program.child.signalCode ?? (await exited), "SIGINT");
    assert.equal(program.stderr, "");
  });
}

test("Ctrl-C ends a call whose input has not come yet", LIMIT, async (t) => {
  const unary = contract("unary", "1.0.0", { say: procedure({ input: type<string>() }) });
  const { address } = await serving(t, unary, { say: () => {} });
  const program = earshot(t, ["call", address, "say", "--verbose"], { input: "open" });
  await program.says("stderr", "client connected");
  program.signal("SIGINT");
  assert.equal((await program.ended).signal, "SIGINT");
});

test("Ctrl-C ends a call that no server answers", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const silent = createServer().listen(path);
  t.after(() => silent.close());
  await once(silent, "listening");
  const program = earshot(t, ["call", path, "say"]);
  const [socket] = await once(silent, "connection");
  t.after(() => socket.destroy());
  await once(socket, "data");
  program.signal("SIGINT");
  assert.equal((await program.ended).signal, "SIGINT");
});

test("a standard output that is closed ends the call quietly, and its handler is told", LIMIT, async (t) => {
  const { address, aborted } = await streamServer(t);
  const script = `{ "${process.execPath}" "${EARSHOT}" call "${address}" count; echo "code $?" >&2; } | head -n 2`;
  const { stdout, stderr }: Ended = await new Program(t, "sh", ["-c", script]).ended;
  assert.equal(stdout.toString(), "0\n1\n");
  assert.equal(stderr, "code 0\n");
  await aborted;
});

test("a server that has had enough ends the call, though standard input goes on", LIMIT, async (t) => {
  const some = contract("some", "1.0.0", { first: procedure({ accepts: type<number>(), output: type<number>() }) });
  const { address } = await serving(t, some, {
    first: async (numbers) => {
      for await (const number of numbers) return number;
      return -1;
    },
  });
  const program = earshot(t, ["call", address, "first"], { input: "open" });
  program.child.stdin?.write("7\n");
  const { code, stdout } = await program.ended;
  assert.equal(stdout.toString(), "7\n");
  assert.equal(code, 0);
});

test("what a stream gave before it failed is there, and the exit code tells", LIMIT, async (t) => {
  const some = contract("some", "1.0.0", {
    break: procedure({ yields: type<number>(), errors: { Gone: type<{ at: number }>() } }),
    crash: procedure({ yields: type<number>() }),
  });
  const { address } = await serving(t, some, {
    async *break({ errors }) {
      yield 1;
      throw errors.Gone({ at: 2 });
    },
    async *crash() {
      yield 1;
      throw new Error("undeclared");
    },
  });
  const declared = await run(t, ["call", address, "break", "--json"]);
  assert.equal(declared.stdout.toString(), '{"item":1}\n');
  assert.deepEqual(JSON.parse(declared.stderr).data, { at: 2 });
  assert.equal(declared.code, 8);
  const crashed = await run(t, ["call", address, "crash"]);
  assert.equal(crashed.stdout.toString(), "1\n");
  assert.equal(crashed.code, 5);
});
