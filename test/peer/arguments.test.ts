import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { dial, listen } from "../../src/index.js";
import { connect, outcome, rejection, serve, socketPath } from "./support.js";

const notSizes = [0, -1, 1.5, Number.NaN, Infinity, "5", null, {}, true];
const notTimes = [-1, 1.5, Number.NaN, "5", null, {}, true];

const notSpins = ["on", 5, null, {}, { maxUs: -1 }, { maxUs: 1_001 }, { maxUs: "5" }];

/** Each option, with what it may not be. */
const listenOptions: Record<string, readonly unknown[]> = {
  wire: ["tcp", "", 5, null],
  mode: [-1, 0o1000, 1.5, "600", null],
  maxMessageBytes: notSizes,
  maxConnections: notSizes,
  maxInFlight: notSizes,
  maxBufferedBytes: notSizes,
  handshakeTimeoutMs: notTimes,
  messageTimeoutMs: notTimes,
  idleTimeoutMs: notTimes,
  backlog: [...notSizes, 2 ** 31],
  spin: notSpins,
  app: ["weather", 5, null, {}, { name: "weather" }],
  "app.name": ["", 5, "x".repeat(257)].map((name) => ({ name, version: "1" })),
  "app.version": ["", 5, "x".repeat(257)].map((version) => ({ name: "weather", version })),
  "app.accepts": ["2", 5, {}, [2]].map((accepts) => ({ name: "weather", version: "1", accepts })),
  signal: ["now", {}, 5],
  logger: ["console", {}, 5],
};

const dialOptions: Record<string, readonly unknown[]> = {
  wire: ["auto", "tcp", 5],
  connectTimeoutMs: [...notTimes, 2 ** 31],
  spin: notSpins,
  maxMessageBytes: notSizes,
  app: ["weather", {}],
  "app.name": ["", "x".repeat(257)].map((name) => ({ name, version: "1" })),
  "app.accepts": ["2", 5].map((accepts) => ({ name: "weather", version: "1", accepts })),
  signal: ["now", {}],
  logger: ["console", {}],
};

/** The option of its own that a test of `app.name` sets. */
const optionOf = (name: string) => name.split(".")[0] as string;

for (const [name, values] of Object.entries(listenOptions)) {
  test(`listen refuses a wrong ${name}, names it, and takes nothing`, async (t) => {
    const path = socketPath(t);
    for (const value of values) {
      const error = await rejection(listen(path, () => "ok", { [optionOf(name)]: value }));
      assert.equal(error.code, "INVALID_ARGUMENT", String(value));
      assert.ok(error.message.includes(name), error.message);
      assert.equal(existsSync(path), false);
    }
  });
}

for (const [name, values] of Object.entries(dialOptions)) {
  test(`dial refuses a wrong ${name} and names it`, async (t) => {
    const server = await serve(t, () => "ok");
    for (const value of values) {
      const error = await rejection(dial(server.address, { [optionOf(name)]: value }));
      assert.equal(error.code, "INVALID_ARGUMENT", String(value));
      assert.ok(error.message.includes(name), error.message);
    }
  });
}

test("send and ping refuse a wrong timeoutMs or signal, name it, and send nothing", async (t) => {
  let handled = 0;
  const server = await serve(t, () => String(++handled));
  for (const wire of ["framed", "plain"] as const) {
    const client = await connect(t, server, { wire });
    for (const timeoutMs of [-1, Number.NaN, "5", null, {}]) {
      for (const error of [
        await rejection(client.send("a", { timeoutMs: timeoutMs as never })),
        await rejection(client.ping({ timeoutMs: timeoutMs as never })),
      ]) {
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert.match(error.message, /^Cannot use timeoutMs: /);
      }
    }
    for (const signal of ["now", {}, 5]) {
      const error = await rejection(client.send("a", { signal: signal as never }));
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.match(error.message, /^Cannot use signal: /);
    }
  }
  assert.equal(handled, 0);
});

test("listen wants a handler", async (t) => {
  for (const handler of [undefined, null, "echo", {}]) {
    const error = await rejection(listen(socketPath(t), handler as never));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, /the second argument is a function/);
  }
});

test("an option that is undefined is as if it were not there", async (t) => {
  const none = Object.fromEntries(Object.keys({ ...listenOptions, ...dialOptions }).map((name) => [name, undefined]));
  const server = await serve(t, () => "ok", none);
  const client = await connect(t, server, none);
  assert.equal(await outcome(client.send("a", { timeoutMs: undefined, signal: undefined })), "reply ok");
});

test("the least and the most of every number are accepted", async (t) => {
  const least = {
    mode: 0o600,
    maxMessageBytes: 1,
    maxConnections: 1,
    maxInFlight: 1,
    maxBufferedBytes: 1,
    handshakeTimeoutMs: 0,
    messageTimeoutMs: 0,
    idleTimeoutMs: 0,
    backlog: 1,
  };
  const smallest = await serve(t, () => "ok", least);
  assert.equal(await outcome((await connect(t, smallest, { connectTimeoutMs: 0 })).send("a")), "reply ok");
  const most = Object.fromEntries(Object.keys(least).map((name) => [name, Number.MAX_SAFE_INTEGER]));
  const largest = await serve(t, () => "ok", { ...most, mode: 0o777, backlog: 2 ** 31 - 1 });
  const client = await connect(t, largest, { connectTimeoutMs: 2 ** 31 - 1, maxMessageBytes: Number.MAX_SAFE_INTEGER });
  assert.equal(await outcome(client.send("a")), "reply ok");
});
