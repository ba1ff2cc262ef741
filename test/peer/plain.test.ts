import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { pattern } from "../support/bytes.js";
import { MemoryLogger } from "../support/logger.js";
import { Raw } from "../support/raw.js";
import { requireTool } from "../support/tools.js";
import { preface } from "../wire/reference.js";
import { connect, Gate, outcome, rejection, serve } from "./support.js";

/** A server that keeps the texts it gets, and can be waited for. */
async function keeper(t: TestContext, reply: string | undefined, logger = new MemoryLogger()) {
  const texts: string[] = [];
  const came = new Gate();
  const server = await serve(
    t,
    (message) => {
      texts.push(message.text());
      came.open();
      return reply;
    },
    { logger },
  );
  return { server, texts, came: came.opened, logger };
}

test("a caller that half-closes gets the reply and then the end", async (t) => {
  const { server, texts } = await keeper(t, "stored");
  const raw = await Raw.connect(t, server.address);
  raw.write("hel").write("lo").socket.end();
  await raw.closed;
  assert.equal(raw.received.toString(), "stored");
  assert.deepEqual(texts, ["hello"]);
});

test("a caller whose handler returns nothing gets the end and no bytes", async (t) => {
  const { server, texts } = await keeper(t, undefined);
  const raw = await Raw.connect(t, server.address);
  raw.write("hello").socket.end();
  assert.equal(await raw.closed, undefined);
  assert.deepEqual([raw.received.length, texts], [0, ["hello"]]);
});

test("a caller that closes both ways at once is heard, and only a debug line tells that nobody took the reply", async (t) => {
  const { server, texts, came, logger } = await keeper(t, "x".repeat(1_000_000));
  const raw = await Raw.connect(t, server.address);
  raw.socket.write("hello", () => raw.socket.destroy());
  await came;
  while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(texts, ["hello"]);
  assert.deepEqual(logger.at(), []);
});

for (const wire of ["auto", "plain"] as const) {
  test(`a connection without a byte is no message for a server that takes ${wire}`, async (t) => {
    const logger = new MemoryLogger();
    const server = await serve(t, () => assert.fail("there was nothing"), { wire, logger });
    const ending = await Raw.connect(t, server.address);
    ending.socket.end();
    await ending.closed;
    assert.equal(ending.received.length, 0);
    const cutting = await Raw.connect(t, server.address);
    cutting.socket.destroy();
    const client = await connect(t, server, { wire: "plain" });
    await assert.rejects(client.send(""), { code: "UNSUPPORTED", delivery: "unsent", message: /empty message/ });
    while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(logger.at(), []);
  });
}

test("a sender that dies in the middle: what it had written looks like a message, as PROTOCOL.md says", async (t) => {
  const { server, texts, came } = await keeper(t, undefined);
  const path = server.address.slice("unix:".length);
  const code = `require("node:net").connect(${JSON.stringify(path)}, function () { this.write("half a mess", () => console.log("written")) })`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  assert.deepEqual(texts, []);
  child.kill("SIGKILL");
  await came;
  assert.deepEqual(texts, ["half a mess"]);
});

test("what begins like the preface and is not is a plain message, also when it ends early", async (t) => {
  const { server, texts } = await keeper(t, "ok");
  for (const length of [1, 4, 7]) {
    const raw = await Raw.connect(t, server.address);
    raw.write(preface.subarray(0, length)).socket.end();
    await raw.closed;
    assert.equal(raw.received.toString(), "ok");
  }
  const raw = await Raw.connect(t, server.address);
  raw.write(preface.subarray(0, 7));
  raw.write("!").socket.end();
  await raw.closed;
  assert.equal(raw.received.toString(), "ok");
  assert.deepEqual(
    texts.map((text) => text.length),
    [1, 4, 7, 8],
  );
});

test("a message byte by byte, and one of 20 MB, arrive whole", async (t) => {
  const lengths: number[] = [];
  const large = pattern(20_000_000);
  const server = await serve(t, (message) => {
    lengths.push(message.byteLength);
    return message.byteLength === large.length ? String(large.equals(message.bytes)) : message.bytes;
  });
  const slow = await Raw.connect(t, server.address);
  for (const letter of "one after the other") {
    await new Promise<void>((resolve) => slow.socket.write(letter, () => setImmediate(resolve)));
  }
  slow.socket.end();
  await slow.closed;
  assert.equal(slow.received.toString(), "one after the other");
  const fast = await Raw.connect(t, server.address);
  fast.write(large).socket.end();
  await fast.closed;
  assert.equal(fast.received.toString(), "true");
  assert.deepEqual(lengths, [19, 20_000_000]);
});

test("a thousand callers at once, each with its own reply", async (t) => {
  const server = await serve(t, async (message) => {
    await new Promise((resolve) => setImmediate(resolve));
    return `to ${message.text()}`;
  });
  const client = await connect(t, server, { wire: "plain" });
  const replies = await Promise.all(Array.from({ length: 1_000 }, (_, index) => outcome(client.send(String(index)))));
  assert.deepEqual(
    replies,
    replies.map((_, index) => `reply to ${index}`),
  );
});

test("nc is a caller", async (t) => {
  if (!requireTool(t, "nc")) return;
  const { server, texts } = await keeper(t, "stored\n");
  const child = spawn("nc", ["-N", "-U", server.address.slice("unix:".length)], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  child.stdin.end("hello from nc");
  const [reply] = await once(child.stdout, "data");
  assert.equal(String(reply), "stored\n");
  assert.deepEqual(texts, ["hello from nc"]);
});

for (const body of ["message", "stream"] as const) {
  test(`a server that takes the framed wire only acknowledges nothing that comes plain, read as a ${body}`, async (t) => {
    const server = await serve(t, () => assert.fail("nothing should come"), { wire: "framed" });
    const client = await connect(t, server, { wire: "plain" });
    const sending = body === "stream" ? client.send("hello", { body }) : client.send("hello");
    const error = await rejection(sending);
    assert.deepEqual([error.code, error.delivery], ["UNSUPPORTED", "unsent"]);
    assert.match(error.message, /takes the framed wire only/);
  });
}
