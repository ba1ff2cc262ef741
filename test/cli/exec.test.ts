import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Client, dial } from "../../src/index.js";
import { until } from "../support/children.js";
import { listening, Program } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };

interface Executing {
  readonly server: Program;
  readonly client: Client;
  readonly directory: string;
}

async function executing(t: TestContext, command: string, flags: readonly string[] = []): Promise<Executing> {
  const directory = temporaryDirectory(t);
  const path = join(directory, "s");
  const server = await listening(t, path, ["--exec", command, ...flags], { cwd: directory });
  const client = await dial(path);
  t.after(() => client.close({ graceMs: 0 }));
  return { server, client, directory };
}

test("--exec gives the message to the command, and its output back", LIMIT, async (t) => {
  const { client } = await executing(t, "sort | tr a-z A-Z");
  assert.equal((await client.send("b\na\n")).text(), "A\nB\n");
  assert.equal((await client.send("")).text(), "");
});

test("--exec carries any bytes, 4 MiB of them, both ways", LIMIT, async (t) => {
  const { client, server } = await executing(t, "cat");
  server.child.stdout?.resume();
  const bytes = randomBytes(4 << 20);
  assert.ok(bytes.equals((await client.send(bytes)).bytes));
});

test("--exec runs several messages at a time", LIMIT, async (t) => {
  const { client, directory } = await executing(t, 'read name; mkfifo "$name"; read answer < "$name"; echo $answer');
  const first = client.send("first\n");
  const second = client.send("second\n");
  const fifo = (name: string) => join(directory, name);
  while (!existsSync(fifo("first")) || !existsSync(fifo("second"))) await new Promise((r) => setImmediate(r));
  await new Program(t, "sh", ["-c", `echo 2 > "${fifo("second")}"`]).ended;
  assert.equal((await second).text(), "2\n");
  await new Program(t, "sh", ["-c", `echo 1 > "${fifo("first")}"`]).ended;
  assert.equal((await first).text(), "1\n");
});

test("a command that fails is a handler that failed, with its exit code and last line of errors", LIMIT, async (t) => {
  const { client } = await executing(t, "echo one >&2; echo two >&2; echo out; exit 3");
  await assert.rejects(client.send("x"), (error: Error) => {
    assert.match(error.message, /the command ended with exit code 3: two$/);
    return "code" in error && error.code === "HANDLER_FAILED" && Reflect.get(error, "remoteCode") === "COMMAND_FAILED";
  });
});

test("a command that says nothing about its failure, and one that a signal kills", LIMIT, async (t) => {
  const { client } = await executing(t, "read how; if [ $how = signal ]; then kill -9 $$; fi; exit 127");
  await assert.rejects(client.send("code\n"), /the command ended with exit code 127$/);
  await assert.rejects(client.send("signal\n"), /the command was killed by SIGKILL$/);
});

test("of endless complaints only the end is kept", LIMIT, async (t) => {
  const { client } = await executing(t, "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2; exit 1");
  await assert.rejects(client.send("x"), /exit code 1: last$/);
});

test("a command need not read its input", LIMIT, async (t) => {
  const { client } = await executing(t, "exec < /dev/null; echo done");
  assert.equal((await client.send(randomBytes(4 << 20))).text(), "done\n");
});

test("output over --max-message-bytes fails the message; exactly that much does not", LIMIT, async (t) => {
  const { client } = await executing(t, "read n; head -c $n /dev/zero", ["--max-message-bytes", "100000"]);
  assert.equal((await client.send("100000\n")).byteLength, 100_000);
  await assert.rejects(client.send("100001\n"), /the command printed more than 100000 bytes/);
});

test("a command whose output has no end is killed", LIMIT, async (t) => {
  const { client, directory } = await executing(t, "echo $$ > pid; exec yes", ["--max-message-bytes", "1000000"]);
  await assert.rejects(client.send("x"), /the command printed more than 1000000 bytes/);
  await gone(join(directory, "pid"));
});

test("--timeout-ms ends a command that takes too long, and what it has started", LIMIT, async (t) => {
  const { client, directory } = await executing(t, "sleep 100 & echo $! > pid; wait", ["--timeout-ms", "300"]);
  await assert.rejects(client.send("x"), /the command was killed after 300 ms/);
  await gone(join(directory, "pid"));
});

test("the command is killed when its caller gives up", LIMIT, async (t) => {
  const { client, directory, server } = await executing(t, "sleep 100 & echo $! > pid; mv pid pid2; wait");
  const controller = new AbortController();
  const sent = client.send("x", { signal: controller.signal });
  const pid = join(directory, "pid2");
  while (!existsSync(pid)) await new Promise((r) => setImmediate(r));
  controller.abort();
  await assert.rejects(sent, { code: "CANCELLED" });
  await server.says("stderr", "nobody waits for its answer any more");
  await gone(pid);
});

test("the message reaches the command whole", LIMIT, async (t) => {
  const { client } = await executing(t, "sha256sum | cut -d' ' -f1");
  const bytes = randomBytes(1 << 20);
  const expected = createHash("sha256").update(bytes).digest("hex");
  assert.equal((await client.send(bytes)).text(), `${expected}\n`);
});

/** A zombie is gone, too: nobody in a container may be there to collect it. Who was killed has first to have the processor. */
async function gone(pidFile: string): Promise<void> {
  const pid = Number(readFileSync(pidFile, "utf8"));
  const isGone = () => {
    try {
      return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return true;
    }
  };
  await until(isGone, `process ${pid} to be gone`);
}
