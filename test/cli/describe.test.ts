import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { schemaText } from "../../src/cli/schema-text.js";
import { contract, procedure } from "../../src/contract/index.js";
import { listen } from "../../src/index.js";
import { serving, unused, weather } from "../contract/support.js";
import { run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { LIMIT } from "./helpers.js";

test("describe prints each procedure, its kind, and what it takes and gives, for people", LIMIT, async (t) => {
  const { address } = await serving(t, weather, unused);
  const { code, stdout, stderr } = await run(t, ["describe", address]);
  assert.equal(
    stdout.toString(),
    `weather 1.4.0 at ${address}: 6 procedures

forecast  (unary)
  How warm it will be.
  input    { city: string }
  output   { celsius: number }
  error    UnknownCity { city: string }
  error    Busy

watch  (server stream)
  input    not described
  yields   not described
  error    Gone

upload  (client stream)
  accepts  { bytes: number }

chat  (bidirectional)
  accepts  string
  yields   string

tagged  (bidirectional)
  input    number
  accepts  string
  yields   string

admin.users.list  (unary)
  output   string[]
`,
  );
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("describe --json prints all of it in one line, with JSON Schemas", LIMIT, async (t) => {
  const { address } = await serving(t, weather, unused);
  const { code, stdout } = await run(t, ["describe", address, "--json"]);
  assert.equal(stdout.toString().split("\n").length, 2);
  const { ok, name, version, codecs, procedures } = JSON.parse(stdout.toString());
  assert.deepEqual([ok, name, version, codecs], [true, "weather", "1.4.0", ["msgpack", "json"]]);
  assert.deepEqual(procedures[0].input.properties, { city: { type: "string" } });
  assert.equal(procedures[5].name, "admin.users.list");
  assert.equal(code, 0);
});

test("describe exits with 1 where no contract is served, and says what to do", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, () => "fine");
  t.after(() => server.close({ graceMs: 0 }));
  const { code, stdout, stderr } = await run(t, ["describe", path]);
  assert.match(stderr, /^earshot: Cannot call ".*": no contract is served there; it takes messages \(`send`\)\n$/);
  assert.equal(stdout.length, 0);
  assert.equal(code, 1);
  const json = await run(t, ["describe", path, "--json"]);
  assert.equal(JSON.parse(json.stderr).code, "UNSUPPORTED");
});

test("describe exits with 3 where nobody listens", LIMIT, async (t) => {
  const { code, stderr } = await run(t, ["describe", join(temporaryDirectory(t), "none")]);
  assert.match(stderr, /^earshot: Cannot dial /);
  assert.equal(code, 3);
});

test("describe exits with 6 where a server says nothing of a contract, and where to look", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  const server = await listen(path, () => new Promise<string>(() => {}), { wire: "plain" });
  t.after(async () => {
    void server.close();
    await server.close();
  });
  const { code, stderr } = await run(t, ["describe", path, "--timeout-ms", "300"]);
  assert.match(
    stderr,
    /^earshot: Cannot call ".*": it does not say in time what it has; .*`earshot doctor` tells\)\n$/,
  );
  assert.equal(code, 6);
});

test("describe shows what a server says without letting it do things to a terminal", LIMIT, async (t) => {
  const tricky = contract("tricky", "1.0.0", {
    a: procedure({ summary: "one\n\x1b[31mtwo", input: z.object({ "\x1b[2J": z.literal("\u009b1m") }) }),
  });
  const { address } = await serving(t, tricky, { a: () => {} });
  const { stdout } = await run(t, ["describe", address]);
  assert.doesNotMatch(stdout.toString(), /(?!\n)\p{Cc}/u);
  assert.match(stdout.toString(), /one \\u001b\[31mtwo/);
});

const tree: z.ZodType = z.lazy(() => z.object({ name: z.string(), children: z.array(tree) }));

for (const [schema, text] of [
  [z.string(), "string"],
  [z.string().nullable(), "string | null"],
  [z.number().int(), "integer"],
  [z.number().min(1).max(5), "number (>= 1, <= 5)"],
  [z.string().min(1).max(8), "string (length >= 1, length <= 8)"],
  [z.iso.datetime(), "string (date-time)"],
  [z.string().regex(/^a+$/), "string (/^a+$/)"],
  [z.enum(["a", "b"]), '"a" | "b"'],
  [z.array(z.enum(["a", "b"])), '("a" | "b")[]'],
  [z.array(z.object({ a: z.boolean() })), "{ a: boolean }[]"],
  [z.object({ a: z.string(), "b c": z.number().optional() }), '{ a: string, "b c"?: number }'],
  [z.object({}), "{}"],
  [z.record(z.string(), z.number()), "{ [key]: number }"],
  [z.tuple([z.string(), z.number()]).rest(z.boolean()), "[string, number, ...boolean[]]"],
  [z.union([z.string(), z.object({ a: z.null() })]), "string | { a: null }"],
  [z.unknown(), "any"],
  [tree, "{ name: string, children: itself[] }"],
] as const) {
  test(`a schema in short: ${text}`, () => {
    assert.equal(schemaText(z.toJSONSchema(schema) as Record<string, unknown>), text);
  });
}

test("a schema that is long has a line for each property", () => {
  const address = z.object({ street: z.string(), town: z.string(), country: z.string().min(2).max(2) });
  const schema = z.toJSONSchema(z.object({ name: z.string(), address, second: address.optional() }));
  assert.equal(
    schemaText(schema as Record<string, unknown>, "  "),
    `{
    name: string
    address: { street: string, town: string, country: string (length >= 2, length <= 2) }
    second?: { street: string, town: string, country: string (length >= 2, length <= 2) }
  }`,
  );
});

test("a schema that never ends, or is none, is told in short all the same", () => {
  let deep: object = { type: "string" };
  for (let depth = 0; depth < 100; depth++) deep = { type: "array", items: deep };
  assert.match(schemaText(deep as Record<string, unknown>), /^\.\.\.(\[\])+$/);
  assert.equal(schemaText({ $ref: "#" }), "itself");
  assert.equal(schemaText({ $ref: "#/$defs/none" }), "none");
  assert.equal(schemaText({ type: 5, properties: [], required: 1, enum: {} }), "any");
});
