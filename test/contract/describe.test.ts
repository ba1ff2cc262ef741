import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { toJsonSchema } from "@valibot/to-json-schema";
import { connectAny, describe } from "../../src/contract/index.js";
import { dial, listen } from "../../src/index.js";
import { temporaryDirectory } from "../support/temp.js";
import { all, rejection, serving, unused, weather } from "./support.js";

test("a server tells its procedures, their kinds, and JSON Schema of what can be described", async (t) => {
  const server = await serving(t, weather, unused);
  const { name, version, codecs, procedures } = await describe(server.address);
  assert.deepEqual([name, version, codecs], ["weather", "1.4.0", ["msgpack", "json"]]);
  assert.deepEqual(
    procedures.map(({ name, kind, hasInput }) => [name, kind, hasInput]),
    [
      ["forecast", "unary", true],
      ["watch", "server stream", true],
      ["upload", "client stream", false],
      ["chat", "bidirectional", false],
      ["tagged", "bidirectional", true],
      ["admin.users.list", "unary", false],
    ],
  );
  const [forecast, watch, upload] = procedures;
  assert.equal(forecast?.summary, "How warm it will be.");
  assert.deepEqual(forecast?.input?.properties, { city: { type: "string" } });
  assert.deepEqual(Object.keys(forecast?.errors ?? {}), ["UnknownCity", "Busy"]);
  assert.equal(forecast?.errors?.Busy, true);
  assert.deepEqual(upload?.accepts?.properties, { bytes: { type: "number" } });
  assert.equal("output" in (upload ?? {}), false);
  assert.equal("input" in (watch ?? {}), false);
});

test("schemas without a converter of their own are described by the one that is given", async (t) => {
  const server = await serving(t, weather, unused, { toJsonSchema: (schema) => ({ ...toJsonSchema(schema) }) });
  const { procedures } = await describe(server.address);
  const watch = procedures.find(({ name }) => name === "watch");
  assert.deepEqual(watch?.input?.type, "string");
  assert.deepEqual(Object.keys((watch?.yields?.properties ?? {}) as object), ["celsius"]);
});

test("a description that has no JSON is left out, and the server goes on", async (t) => {
  const server = await serving(t, weather, unused, { toJsonSchema: () => ({ default: 5n }) });
  for (let round = 0; round < 2; round++) {
    const { procedures } = await describe(server.address);
    assert.equal("input" in (procedures.find(({ name }) => name === "watch") ?? {}), false);
  }
});

test("a program without the contract calls by name, and is told what is there", async (t) => {
  const server = await serving(t, weather, {
    ...unused,
    forecast: ({ city }) => ({ celsius: city.length }),
    watch: (city) => [{ celsius: city.length }],
    upload: async (chunks) => ({ total: (await all(chunks)).length }),
    tagged: async function* (tag, lines) {
      for await (const line of lines) yield `${tag} ${line}`;
    },
  });
  for (const codec of ["msgpack", "json"] as const) {
    const api = await connectAny(server.address, { codec });
    assert.equal(api.description.name, "weather");
    assert.deepEqual(await api.call("forecast", { city: "Riga" }), { celsius: 4 });
    assert.deepEqual(await api.call("upload", undefined, { items: [{ bytes: 1 }] }), { total: 1 });
    assert.deepEqual(await all(api.stream("watch", "Riga")), [{ celsius: 4 }]);
    assert.deepEqual(await all(api.stream("tagged", 1, { items: ["a"] })), ["1 a"]);
    assert.equal((await rejection(api.call("forecast", { city: 5 }))).code, "INVALID_INPUT");
    assert.equal((await rejection(api.call("forcast"))).code, "UNKNOWN_PROCEDURE");
    assert.match((await rejection(api.call("watch", "Riga"))).message, /it streams its output: use `stream`/);
    await api.client.close();
  }
});

test("a message of the system is all that it takes to ask", async (t) => {
  const server = await serving(t, weather, unused);
  const client = await dial(server.address);
  t.after(() => client.close());
  const reply = (await client.system({ do: "describe" }, {})).json() as { name: string };
  assert.equal(reply.name, "weather");
});

test("a server without a contract says so", async (t) => {
  const server = await listen(join(temporaryDirectory(t), "s"), () => "fine");
  t.after(() => server.close());
  const error = await rejection(describe(server.address));
  assert.equal(error.code, "UNSUPPORTED");
  assert.match(error.message, /: no contract is served there; it takes messages \(`send`\)$/);
});
