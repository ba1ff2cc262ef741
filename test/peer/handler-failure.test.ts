import assert from "node:assert/strict";
import { test } from "node:test";
import { EarshotError, type Handler } from "../../src/index.js";
import { MemoryLogger } from "../support/logger.js";
import { greeting, open, Raw } from "../support/raw.js";
import { connect, outcome, rejection, serve } from "./support.js";

class DatabaseError extends Error {
  readonly code = "E_FULL";
}

/** What may be thrown, and what the caller is told. */
const cases: { name: string; thrown: unknown; text: string; remoteCode?: string }[] = [
  { name: "an error", thrown: new Error("no room"), text: "no room" },
  { name: "an error with a code", thrown: new DatabaseError("no room"), text: "no room", remoteCode: "E_FULL" },
  { name: "one of ours", thrown: new EarshotError("TIMEOUT", "late"), text: "late", remoteCode: "TIMEOUT" },
  {
    name: "an error whose code is a number",
    thrown: Object.assign(new Error("no room"), { code: 5 }),
    text: "no room",
  },
  { name: "an error without text", thrown: new Error(), text: "" },
  { name: "an error whose text is a number", thrown: Object.assign(new Error(), { message: 5 }), text: "5" },
  { name: "an error with a long text", thrown: new Error("x".repeat(100_000)), text: "x".repeat(2_000) },
  { name: "a text", thrown: "no room", text: "no room" },
  { name: "undefined", thrown: undefined, text: "undefined" },
  { name: "null", thrown: null, text: "null" },
  { name: "a symbol", thrown: Symbol("room"), text: "Symbol(room)" },
  { name: "an object", thrown: { a: 1 }, text: "[object Object]" },
  { name: "an object that cannot be a text", thrown: Object.create(null), text: "[object Object]" },
];

const handlers: Record<string, (thrown: unknown) => Handler> = {
  throws: (thrown) => () => {
    throw thrown;
  },
  rejects: (thrown) => async () => {
    throw thrown;
  },
  "rejects later": (thrown) => async () => {
    await new Promise((resolve) => setImmediate(resolve));
    throw thrown;
  },
};

for (const { name, thrown, text, remoteCode } of cases) {
  test(`a handler that throws ${name}, at once or later, rejects the send and nothing else`, async (t) => {
    for (const make of Object.values(handlers)) {
      const logger = new MemoryLogger();
      const fail = make(thrown);
      const server = await serve(
        t,
        (message, context) => (message.text() === "bad" ? fail(message, context) : "good"),
        { logger },
      );
      const client = await connect(t, server);
      const [error, good] = await Promise.all([rejection(client.send("bad")), outcome(client.send("good"))]);
      assert.equal(good, "reply good");
      assert.equal(error.code, "HANDLER_FAILED");
      assert.equal(error.message, `Cannot send to "${server.address}": the handler failed: ${text}`);
      assert.equal(error.remoteCode, remoteCode);
      assert.equal(error.delivery, "unknown");
      assert.equal(error.op, "send");
      const [line] = logger.at();
      assert.equal(line?.text, "the handler failed");
      assert.equal(line?.error, thrown as never);
      assert.equal(await outcome(client.send("good")), "reply good");
    }
  });
}

test("a handler that returns what is no reply fails: null, a number, an object, an ArrayBuffer, a function", async (t) => {
  for (const reply of [null, 5, true, { a: 1 }, [1], new ArrayBuffer(3), () => "x"]) {
    for (const returned of [reply, Promise.resolve(reply)]) {
      const client = await connect(t, await serve(t, () => returned as never));
      const error = await rejection(client.send("a"));
      assert.equal(error.code, "HANDLER_FAILED");
      assert.equal(error.remoteCode, "INVALID_ARGUMENT");
      assert.match(
        error.message,
        /a reply is a string, a Uint8Array, an async iterable of these, or nothing; the handler returned \w+/,
      );
    }
  }
});

test("no stack leaves the server", async (t) => {
  const server = await serve(t, () => {
    throw new DatabaseError("no room");
  });
  const raw = await Raw.connect(t, server.address);
  raw.write(greeting(), open(1));
  await raw.hears((lines) => lines.includes("RESET 1 HANDLER_FAILED"));
  const text = raw.received.toString("latin1");
  assert.match(text, /E_FULLno room$/);
  assert.doesNotMatch(text, /handler-failure|node:|at /);
});

test("on the plain wire a handler that fails ends the connection without a reply", async (t) => {
  const logger = new MemoryLogger();
  const server = await serve(
    t,
    () => {
      throw new Error("no room");
    },
    { logger },
  );
  const raw = await Raw.connect(t, server.address);
  raw.write("hello").socket.end();
  await raw.closed;
  assert.equal(raw.received.length, 0);
  assert.deepEqual(
    logger.at().map(({ text, error }) => [text, error?.message]),
    [["the handler failed", "no room"]],
  );
});

test("a handler may fail after its caller is gone", async (t) => {
  let fail: (error: Error) => void = () => {};
  const failing = new Promise<undefined>((_, reject) => {
    fail = reject;
  });
  const server = await serve(t, (message) => (message.text() === "slow" ? failing : "ok"));
  const client = await connect(t, server);
  assert.equal(await outcome(client.send("slow", { timeoutMs: 20 })), "TIMEOUT unknown");
  fail(new Error("too late"));
  assert.equal(await outcome(client.send("next")), "reply ok");
});
