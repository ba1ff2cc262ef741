import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dial, listen, type StreamedMessage, type StreamHandler } from "../../src/index.js";
import { earshot, listening, Program, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { client, codeOf, LIMIT } from "./helpers.js";

type Test = Parameters<typeof temporaryDirectory>[0];

async function serve(t: Test, handler: StreamHandler): Promise<string> {
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, handler, { body: "stream" });
  t.after(() => server.close({ graceMs: 0 }));
  return path;
}

/** Something to read piece by piece, and that the test can say when to go on with. */
function pieces(message: StreamedMessage) {
  const iterator = message.body[Symbol.asyncIterator]();
  return async () => {
    const { value } = await iterator.next();
    return value === undefined ? undefined : Buffer.from(value).toString();
  };
}

for (const wire of ["framed", "plain"] as const) {
  test(`${wire}: what comes on standard input is at the server before the input has ended`, LIMIT, async (t) => {
    const seen: (string | undefined)[] = [];
    const path = await serve(t, async (message) => {
      const next = pieces(message);
      seen.push(await next());
      sender.child.stdin?.write("second");
      seen.push(await next());
      sender.child.stdin?.end();
      seen.push(await next());
      return "done";
    });
    const sender = earshot(t, ["send", path, "--wire", wire], { input: "open" });
    sender.child.stdin?.write("first");
    const { code, stdout, stderr } = await sender.ended;
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.deepEqual(seen, ["first", "second", undefined]);
    assert.equal(stdout.toString(), "done");
  });

  test(`${wire}: the reply is on standard output before it has ended, and before the message has`, LIMIT, async (t) => {
    const path = await serve(t, async function* (message) {
      const next = pieces(message);
      for (let piece = await next(); piece !== undefined; piece = await next()) yield `got ${piece}\n`;
    } as StreamHandler);
    const sender = earshot(t, ["send", path, "--wire", wire], { input: "open" });
    for (const word of ["one", "two"]) {
      sender.child.stdin?.write(word);
      await sender.says("stdout", `got ${word}\n`);
    }
    sender.child.stdin?.end();
    const { code, stdout } = await sender.ended;
    assert.equal(stdout.toString(), "got one\ngot two\n");
    assert.equal(code, 0);
  });
}

test("short standard input is one message of a known size, as an argument is", LIMIT, async (t) => {
  const path = await serve(t, (message) => `${message.sizeBytes}`);
  for (const input of ["", "hello"]) {
    assert.equal((await run(t, ["send", path], { input })).stdout.toString(), `${input.length}`);
  }
});

test("send --max-message-bytes breaks off standard input on its way, and its handler is told", LIMIT, async (t) => {
  const broken = withResolvers();
  const path = await serve(t, async (message) => {
    const next = pieces(message);
    await next();
    sender.child.stdin?.write("678901");
    await next().catch((error) => broken.resolve(codeOf(error)));
  });
  const sender = earshot(t, ["send", path, "--max-message-bytes", "10", "--json"], { input: "open" });
  sender.child.stdin?.write("12345");
  const { code, stderr } = await sender.ended;
  const { message, ...rest } = JSON.parse(stderr);
  assert.match(message, /standard input: it has more than 10 bytes/);
  assert.deepEqual(rest, { ok: false, code: "MESSAGE_TOO_LARGE", delivery: "unknown" });
  assert.equal(code, 4);
  assert.equal(await broken.promise, "CANCELLED");
});

test(
  "send exits with 5 when the handler fails in the middle of its reply, and prints what came before",
  LIMIT,
  async (t) => {
    const path = await serve(t, async function* () {
      yield "half";
      await sender.says("stdout", "half");
      throw new Error("no more");
    } as StreamHandler);
    const sender = earshot(t, ["send", path, "x"]);
    const { code, stdout, stderr } = await sender.ended;
    assert.equal(stdout.toString(), "half");
    assert.match(stderr, /no more/);
    assert.equal(code, 5);
  },
);

test("send exits with 4 when a reply grows over --max-message-bytes, and its handler is told", LIMIT, async (t) => {
  const left = withResolvers();
  const path = await serve(t, async function* () {
    try {
      for (;;) yield "x".repeat(100);
    } finally {
      left.resolve("left");
    }
  } as StreamHandler);
  const { code, stderr } = await run(t, ["send", path, "x", "--max-message-bytes", "1000"]);
  assert.match(stderr, /Cannot print the reply: it has more than 1000 bytes/);
  assert.equal(code, 4);
  assert.equal(await left.promise, "left");
});

test("send --timeout-ms is for all of a message and its reply", LIMIT, async (t) => {
  const path = await serve(t, async (message) => {
    await message.collect();
  });
  const sender = earshot(t, ["send", path, "--timeout-ms", "300"], { input: "open" });
  sender.child.stdin?.write("never ends");
  assert.equal((await sender.ended).code, 6);
});

test("send ends at SIGINT in the middle of a message, and its handler is told", LIMIT, async (t) => {
  const told = withResolvers();
  const path = await serve(t, async (message) => {
    const next = pieces(message);
    await next();
    sender.signal("SIGINT");
    await next().catch((error) => told.resolve(codeOf(error)));
  });
  const sender = earshot(t, ["send", path], { input: "open" });
  sender.child.stdin?.write("begin");
  assert.equal((await sender.ended).signal, "SIGINT");
  assert.equal(await told.promise, "CONNECTION_LOST");
});

test("listen --echo sends each piece back as it comes, and has printed it by then", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path, ["--echo"]);
  const { readable, writable } = (await client(t, path)).open();
  const writer = writable.getWriter();
  const reader = readable.getReader();
  for (const word of ["one", "two"]) {
    await writer.write(Buffer.from(word));
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), word);
    await server.says("stdout", word);
  }
  await writer.close();
  assert.equal((await reader.read()).done, true);
  await server.says("stdout", "onetwo\n");
});

test("listen prints one message after the other, however their pieces come", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listening(t, path);
  const sender = await client(t, path);
  const first = sender.open();
  const writer = first.writable.getWriter();
  await writer.write(Buffer.from("first begins, "));
  await server.says("stdout", "first begins, ");
  const others = ["second", "third"].map((word) => sender.send(word));
  await sender.ping();
  await writer.write(Buffer.from("first ends"));
  await writer.close();
  await Promise.all([...others, first.closed]);
  await server.says("stdout", "first begins, first ends\nsecond\nthird\n");
});

test(
  "text whose characters are cut between pieces is text; a message that breaks off ends its line",
  LIMIT,
  async (t) => {
    const path = join(temporaryDirectory(t), "s");
    const server = await listening(t, path);
    const whole = (await client(t, path)).open();
    const writer = whole.writable.getWriter();
    for (const byte of Buffer.from("ü€🙂")) await writer.write(Buffer.of(byte));
    await writer.close();
    await whole.closed;
    await server.says("stdout", "ü€🙂\n");
    const dialed = await dial(path);
    const broken = dialed.open();
    await broken.writable.getWriter().write(Buffer.from("half"));
    await server.says("stdout", "half");
    await dialed.close({ graceMs: 0 });
    await server.says("stderr", "the message broke off after 4 bytes, and what had come of it is in the output");
    await server.says("stdout", "half\n");
  },
);

test("listen --max-message-bytes breaks off a stream that grows over it", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await listening(t, path, ["--max-message-bytes", "10"]);
  async function* endless() {
    for (;;) yield "12345";
  }
  await assert.rejects((await client(t, path)).send(endless()), { code: "MESSAGE_TOO_LARGE" });
});

test("--exec gives a command the message as it comes, and its output back as it is printed", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await listening(t, path, ["--exec", 'while read -r line; do echo "got $line"; done']);
  const { readable, writable } = (await client(t, path)).open();
  const writer = writable.getWriter();
  const reader = readable.getReader();
  for (const word of ["one", "two"]) {
    await writer.write(Buffer.from(`${word}\n`));
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), `got ${word}\n`);
  }
  await writer.close();
  assert.equal((await reader.read()).done, true);
});

test(
  "--exec: a command that fails after a part of its reply resets the exchange, and one that fails early waits for nothing",
  LIMIT,
  async (t) => {
    const directory = temporaryDirectory(t);
    await listening(t, join(directory, "late"), ["--exec", "echo part; cat; exit 3"]);
    const late = (await client(t, join(directory, "late"))).open();
    const reader = late.readable.getReader();
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "part\n");
    await late.writable.close();
    await assert.rejects(async () => {
      while (!(await reader.read()).done);
    }, /exit code 3/);
    await listening(t, join(directory, "early"), ["--exec", "exit 4"]);
    const early = (await client(t, join(directory, "early"))).open();
    await early.writable.getWriter().write(Buffer.from("begins, and never ends"));
    assert.match((await early.closed)?.message ?? "", /exit code 4/);
  },
);

test("--exec: of a command that fails nothing is a reply on the plain wire, if it is short", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  await listening(t, path, ["--exec", "echo part; exit 3", "--wire", "plain"]);
  const { stdout } = await run(t, ["send", path, "x", "--wire", "plain"]);
  assert.equal(stdout.toString(), "");
});

test("4 MiB pass through send, listen and a command, byte for byte", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const copy = join(directory, "copy");
  await listening(t, path, ["--exec", "cat", "--output", copy]);
  const input = randomBytes(4 << 20);
  for (const wire of ["framed", "plain"]) {
    const { code, stdout } = await run(t, ["send", path, "--wire", wire], { input });
    assert.equal(code, 0);
    assert.ok(stdout.equals(input), wire);
  }
  assert.ok(existsSync(copy));
  assert.ok(readFileSync(copy).equals(Buffer.concat([input, input])));
});

test("a command without an end is held back, and killed when the reader of its output goes away", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const fifo = join(directory, "fifo");
  await new Program(t, "mkfifo", [fifo]).ended;
  // Whoever reads the pipe sees its end when the last who can write is gone.
  const command = new Program(t, "cat", [fifo]);
  await listening(t, path, ["--exec", `exec 9> "${fifo}"; echo begun >&9; exec yes`]);
  const sender = earshot(t, ["send", path, "x"], { isStdoutUnread: true });
  await command.says("stdout", "begun\n");
  sender.child.stdout?.destroy();
  assert.equal((await sender.ended).code, 0);
  await command.ended;
});

function withResolvers() {
  let resolve: (value: unknown) => void = () => {};
  const promise = new Promise<unknown>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
