import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { clientOf, connect, contract, isError, procedure, type } from "../../src/contract/index.js";
import { dial } from "../../src/index.js";
import { MemoryLogger } from "../support/logger.js";
import { calling, later, rejection, serving, unused, weather } from "./support.js";

test("a call gets what its handler returns, at once or later, nested as deep as its name", async (t) => {
  const server = await serving(t, weather, {
    ...unused,
    forecast: async ({ city }) => ({ celsius: city.length }),
    admin: { users: { list: () => ["ada"] } },
  });
  const api = await calling(t, server, weather);
  assert.deepEqual(await api.forecast({ city: "Riga" }), { celsius: 4 });
  assert.deepEqual(await api.admin.users.list(), ["ada"]);
});

test("all that MessagePack carries arrives as it is, and JSON where it is chosen", async (t) => {
  const echo = contract("echo", "1.0.0", { say: procedure({ input: type<unknown>(), output: type<unknown>() }) });
  const server = await serving(t, echo, { say: (value) => value });
  const api = await calling(t, server, echo);
  const value = {
    at: new Date(5),
    map: new Map([[1, new Set(["a"])]]),
    big: 2n ** 70n,
    none: undefined,
    nan: Number.NaN,
  };
  assert.deepStrictEqual(await api.say(value), value);
  assert.equal(await api.say(undefined), undefined);
  const plain = await calling(t, server, echo, { codec: "json" });
  assert.deepStrictEqual(await plain.say({ a: [1, "two", null] }), { a: [1, "two", null] });
  const error = await rejection(plain.say(new Map()));
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.match(error.message, /Cannot call say at "unix:.*": the input cannot be sent: a Map cannot be sent as JSON/);
});

test("a large input and a large output are cut into pieces and put together again", async (t) => {
  const echo = contract("echo", "1.0.0", { say: procedure({ input: type<string>(), output: type<string>() }) });
  const server = await serving(t, echo, { say: (value) => value });
  const api = await calling(t, server, echo);
  const large = "ä".repeat(700_000);
  assert.equal(await api.say(large), large);
});

test("an input that is not valid does not reach the handler, and says where and why", async (t) => {
  const server = await serving(t, weather, unused);
  const api = await calling(t, server, weather);
  const error = await rejection(api.forecast({ city: 5 } as never));
  assert.equal(error.code, "INVALID_INPUT");
  assert.equal(error.procedure, "forecast");
  assert.deepEqual(error.issues, [{ message: "Invalid input: expected string, received number", path: ["city"] }]);
  assert.match(error.message, /the input is not valid: city: Invalid input: expected string, received number$/);
});

test("a handler gets what the schema makes of the input, also where that takes a while", async (t) => {
  const made = contract("made", "1.0.0", {
    day: procedure({
      input: z.object({ day: z.string().transform(async (text) => Number(text)) }),
      output: z.number(),
    }),
  });
  const server = await serving(t, made, { day: ({ day }) => day + 1 });
  const api = await calling(t, server, made);
  assert.equal(await api.day({ day: "41" }), 42);
});

test("an output that is not valid is told to the caller, and to the log of a server that checks", async (t) => {
  for (const validate of [true, false]) {
    const logger = new MemoryLogger();
    const handlers = { ...unused, forecast: async () => ({ celsius: "warm" }) as never };
    const server = await serving(t, weather, handlers, { validate, logger });
    const api = await calling(t, server, weather);
    const error = await rejection(api.forecast({ city: "Riga" }));
    assert.equal(error.code, "INVALID_OUTPUT");
    assert.deepEqual(error.issues?.[0]?.path, ["celsius"]);
    assert.equal(logger.at("error").length, validate ? 1 : 0);
  }
});

test("an output that cannot be sent is the handler's failure, and says why", async (t) => {
  const server = await serving(
    t,
    weather,
    { ...unused, forecast: () => ({ celsius: () => {} }) as never },
    { validate: false },
  );
  const error = await rejection((await calling(t, server, weather)).forecast({ city: "Riga" }));
  assert.equal(error.code, "INVALID_OUTPUT");
  assert.match(error.message, /a function cannot be sent/);
});

test("a declared error arrives by its name, with its data; of any other the caller hears nothing", async (t) => {
  const logger = new MemoryLogger();
  const handlers = {
    ...unused,
    forecast: async ({ city }: { city: string }, { errors }: Parameters<(typeof unused)["forecast"]>[1]) => {
      if (city === "Atlantis") throw errors.UnknownCity({ city });
      if (city === "Rome") throw errors.Busy();
      throw Object.assign(new Error("the password is 1234"), { code: "SECRET" });
    },
  };
  const server = await serving(t, weather, handlers, { logger });
  const api = await calling(t, server, weather);
  const declared = await rejection(api.forecast({ city: "Atlantis" }));
  assert.deepEqual([declared.code, declared.remoteCode], ["PROCEDURE_FAILED", "UnknownCity"]);
  assert.ok(isError(weather.forecast, declared, "UnknownCity"));
  assert.equal(declared.data.city, "Atlantis");
  assert.equal(isError(weather.forecast, declared, "Busy"), false);
  assert.equal(isError(weather.forecast, await rejection(api.forecast({ city: "Rome" })), "Busy"), true);
  assert.equal(logger.at().length, 0);

  const undeclared = await rejection(api.forecast({ city: "Riga" }));
  assert.equal(undeclared.code, "HANDLER_FAILED");
  assert.equal(undeclared.remoteCode ?? "", "");
  assert.doesNotMatch(`${undeclared.message}${undeclared.stack}`, /1234|SECRET/);
  assert.equal(logger.at("error")[0]?.error?.message, "the password is 1234");
});

test("a declared error of another server does not pass through a handler that does not say so", async (t) => {
  const failing = {
    ...unused,
    forecast: (_: unknown, { errors }: Parameters<(typeof unused)["forecast"]>[1]) => {
      throw errors.UnknownCity({ city: "x" });
    },
  };
  const behind = await calling(t, await serving(t, weather, failing), weather);
  const front = await serving(t, weather, { ...unused, forecast: (input) => behind.forecast(input) });
  const error = await rejection((await calling(t, front, weather)).forecast({ city: "Riga" }));
  assert.equal(error.code, "HANDLER_FAILED");
});

test("a deadline travels as time left, and aborts the handler's signal", async (t) => {
  const aborted = later<unknown>();
  const server = await serving(t, weather, {
    ...unused,
    forecast: (_input, { signal, timeLeftMs }) => {
      assert.ok(timeLeftMs !== undefined && timeLeftMs > 0 && timeLeftMs < 100, String(timeLeftMs));
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      return new Promise(() => {});
    },
  });
  const api = await calling(t, server, weather, { timeoutMs: 60 });
  const error = await rejection(api.forecast({ city: "Riga" }));
  assert.equal(error.code, "TIMEOUT");
  assert.match(error.message, /^Cannot call forecast at .*: no reply within 60 ms$/);
  await aborted.promise;
});

test("a signal that aborts gives up the call, and aborts the handler's", async (t) => {
  const [started, aborted] = [later(), later()];
  const server = await serving(t, weather, {
    ...unused,
    forecast: (_input, { signal, timeLeftMs }) => {
      assert.equal(timeLeftMs, undefined);
      signal.addEventListener("abort", () => aborted.resolve());
      started.resolve();
      return new Promise(() => {});
    },
  });
  const api = await calling(t, server, weather);
  const controller = new AbortController();
  const call = rejection(api.forecast({ city: "Riga" }, { signal: controller.signal }));
  await started.promise;
  controller.abort(new Error("enough"));
  const error = await call;
  assert.equal(error.code, "CANCELLED");
  assert.equal((error.cause as Error).message, "enough");
  await aborted.promise;
});

test("headers go with a call, 8 KiB of them and no byte more", async (t) => {
  const seen: unknown[] = [];
  const server = await serving(t, weather, {
    ...unused,
    admin: {
      users: {
        list: ({ headers, procedure, peer }) => {
          seen.push({ ...headers });
          return [procedure, String(peer.id)];
        },
      },
    },
  });
  const api = await calling(t, server, weather);
  const headers = { traceparent: "00-ä", __proto__x: "", size: "x".repeat(8_192 - 11 - 5 - 10 - 4) };
  assert.deepEqual(await api.admin.users.list({ headers }), ["admin.users.list", "1"]);
  await api.admin.users.list();
  assert.deepEqual(seen, [headers, {}]);
  const error = await rejection(api.admin.users.list({ headers: { ...headers, y: "" } }));
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.match(error.message, /more than 8192 bytes; what is large belongs into the input/);
});

test("a message that is no call is failed, and says what the server takes", async (t) => {
  const server = await serving(t, weather, unused);
  const client = await dial(server.address);
  t.after(() => client.close());
  const error = await rejection(client.send("hello"));
  assert.equal(error.code, "UNSUPPORTED");
  assert.match(error.message, /the server takes calls of contract weather 1\.4\.0: it does not begin as a call does/);
  assert.ok((await client.ping()).roundTripMs >= 0);
});

test("a call that is under way rejects with its cause when the server dies, and a closed api says so", async (t) => {
  const started = later();
  const server = await serving(t, weather, {
    ...unused,
    forecast: () => {
      started.resolve();
      return new Promise(() => {});
    },
  });
  const api = await calling(t, server, weather, { reconnect: false });
  const call = rejection(api.forecast({ city: "Riga" }));
  await started.promise;
  void server.close();
  await server.close();
  assert.match((await call).code, /^CONNECTION_(LOST|CLOSED)$/);
  assert.equal((await call).delivery, "unknown");
  await clientOf(api).closed;
  assert.equal((await rejection(api.forecast({ city: "Riga" }))).delivery, "unsent");
});

test("an api is closed with `await using`, or by its client", async (t) => {
  const server = await serving(t, weather, unused);
  const api = await connect(server.address, weather);
  await api[Symbol.asyncDispose]();
  assert.equal((await rejection(api.admin.users.list())).code, "CONNECTION_CLOSED");
});

test("calls of many sizes at a time keep their bytes, although the memory that they are written to is used again", async (t) => {
  const echo = contract("echo", "1.0.0", {
    bytes: procedure({ input: type<Uint8Array>(), output: type<Uint8Array>() }),
  });
  const api = await calling(t, await serving(t, echo, { bytes: async (bytes) => bytes }), echo);
  const sizes = [0, 1, 64, 64, 1_000, 8_150, 8_190, 8_192, 8_300, 20_000, 65_536, 70_000, 300_000];
  for (let round = 0; round < 20; round++) {
    const sent = Array.from({ length: 60 }, (_, index) => {
      const size = sizes[(index * 7 + round) % sizes.length] ?? 0;
      return Buffer.alloc(size, `${round}:${index};`);
    });
    const got = await Promise.all(sent.map((bytes) => api.bytes(bytes)));
    for (const [index, bytes] of got.entries()) assert.ok(sent[index]?.equals(bytes), `${sent[index]?.length} bytes`);
  }
});
