import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contract, procedure, type } from "../../src/contract/index.js";
import { listen } from "../../src/index.js";
import { all, later, serving, unused, weather } from "../contract/support.js";
import { EARSHOT, Program, ROOT, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";
import { LIMIT } from "./helpers.js";

type Test = Parameters<typeof temporaryDirectory>[0];

/** The weather's server: a forecast for any city but one, and what a chat says twice. */
async function weatherServer(t: Test): Promise<string> {
  const { address } = await serving(t, weather, {
    ...unused,
    forecast: ({ city }, { errors, headers }) => {
      if (city === "Atlantis") throw errors.UnknownCity({ city });
      if (city === "Busy") throw errors.Busy();
      if (city === "Bug") throw new Error("undeclared");
      return { celsius: headers.celsius === undefined ? city.length : Number(headers.celsius) };
    },
    watch: (city) => Array.from(city, (_letter, celsius) => ({ celsius })),
    upload: async (chunks) => ({ total: (await all(chunks)).reduce((sum, { bytes }) => sum + bytes, 0) }),
    chat: async function* (lines) {
      for await (const line of lines) yield `${line}, ${line}`;
    },
    tagged: async function* (tag, lines) {
      for await (const line of lines) yield `${tag} ${line}`;
    },
    admin: { users: { list: () => ["ann", "bob"] } },
  });
  return address;
}

/** A server that gives back what it gets, whatever it is. */
async function echoServer(t: Test): Promise<string> {
  const echo = contract("echo", "1.0.0", {
    any: procedure({ input: type<unknown>(), output: type<unknown>() }),
    each: procedure({ accepts: type<unknown>(), yields: type<unknown>() }),
    sayNothing: procedure({}),
  });
  const { address } = await serving(t, echo, { any: (value) => value, each: (items) => items, sayNothing: () => {} });
  return address;
}

test("call prints the output as one line of JSON, and exits with 0", LIMIT, async (t) => {
  const { code, stdout, stderr } = await run(t, ["call", await weatherServer(t), "forecast", '{"city":"Riga"}']);
  assert.equal(stdout.toString(), '{"celsius":4}\n');
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("call takes the input from standard input, with - and without", LIMIT, async (t) => {
  const address = await weatherServer(t);
  for (const dash of [["-"], []]) {
    const { stdout } = await run(t, ["call", address, "forecast", ...dash], { input: '{\n  "city": "Riga"\n}\n' });
    assert.equal(stdout.toString(), '{"celsius":4}\n');
  }
});

test("call does not wait for standard input when it has the input, or none is taken", LIMIT, async (t) => {
  const address = await weatherServer(t);
  const forecast = await run(t, ["call", address, "forecast", '{"city":"Riga"}'], { input: "open" });
  assert.equal(forecast.stdout.toString(), '{"celsius":4}\n');
  const list = await run(t, ["call", address, "admin.users.list"], { input: "open" });
  assert.equal(list.stdout.toString(), '["ann","bob"]\n');
});

test("call prints nothing for a procedure that gives nothing", LIMIT, async (t) => {
  const address = await echoServer(t);
  const { code, stdout } = await run(t, ["call", address, "sayNothing"]);
  assert.equal(stdout.length, 0);
  assert.equal(code, 0);
  const json = await run(t, ["call", address, "sayNothing", "--json"]);
  assert.equal(json.stdout.toString(), '{"ok":true}\n');
});

test("call --json prints one object, and for a stream one for each item and one for the end", LIMIT, async (t) => {
  const address = await weatherServer(t);
  const unary = await run(t, ["call", address, "forecast", '{"city":"Riga"}', "--json"]);
  assert.equal(unary.stdout.toString(), '{"ok":true,"output":{"celsius":4}}\n');
  const stream = await run(t, ["call", address, "watch", '"ab"', "--json"]);
  assert.deepEqual(
    stream.stdout
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [{ item: { celsius: 0 } }, { item: { celsius: 1 } }, { ok: true, items: 2 }],
  );
});

test("call needs no quotes around a text where the contract says that it is one", LIMIT, async (t) => {
  const address = await weatherServer(t);
  for (const input of ["hello", '"hello"\n', "hello\r\n\n"]) {
    assert.equal((await run(t, ["call", address, "chat"], { input })).stdout.toString(), '"hello, hello"\n');
  }
  const broken = await run(t, ["call", address, "chat"], { input: '"hello\n' });
  assert.match(broken.stderr, /line 1 of standard input: it is no JSON/);
});

test("call sends headers", LIMIT, async (t) => {
  const address = await weatherServer(t);
  const headers = ["--header", "celsius=7", "--header", "other=a=b"];
  const { stdout } = await run(t, ["call", address, "forecast", '{"city":"Riga"}', ...headers]);
  assert.equal(stdout.toString(), '{"celsius":7}\n');
});

for (const json of [
  '{"$date":"2026-01-31T12:00:00.000Z"}',
  '{"$date":null}',
  '{"$bigint":"123456789012345678901234567890"}',
  '[{"$number":"NaN"},{"$number":"-Infinity"},{"$number":"-0"}]',
  '{"$map":[[1,{"$set":["a"]}],[{"a":1},null]]}',
  '{"$bytes":"aGVsbG8="}',
  '{"$ArrayBuffer":"aGVsbG8="}',
  '{"$DataView":"aGVsbG8="}',
  '{"$Float64Array":[1.5,{"$number":"NaN"}]}',
  '{"$BigInt64Array":["-5","6"]}',
  '{"$error":{"name":"TypeError","message":"m","code":"C","cause":{"$error":{"name":"Error","message":"n"}}}}',
  '[{"$undefined":true},null]',
  '{"$object":{"$date":"not one"}}',
  '{"$object":{"$object":{"a":1}}}',
  '{"a":{"$unknown":1},"$date":"2026"}',
  '"2026-01-31T12:00:00.000Z"',
  '"\\u009b1m \\u007f"',
]) {
  test(`call gives and takes ${json}`, LIMIT, async (t) => {
    const { code, stdout, stderr } = await run(t, ["call", await echoServer(t), "any", json]);
    assert.equal(stderr, "");
    assert.equal(stdout.toString(), `${json}\n`);
    assert.equal(code, 0);
  });
}

test("a declared error is told with its name and data, and has an exit code of its own", LIMIT, async (t) => {
  const address = await weatherServer(t);
  const { code, stdout, stderr } = await run(t, ["call", address, "forecast", '{"city":"Atlantis"}']);
  assert.match(
    stderr,
    /^earshot: Cannot call forecast at ".*": UnknownCity, .*\n {2}\{\n {4}"city": "Atlantis"\n {2}\}\n$/,
  );
  assert.equal(stdout.length, 0);
  assert.equal(code, 8);
  const json = await run(t, ["call", address, "forecast", '{"city":"Atlantis"}', "--json"]);
  const { message, delivery, ...rest } = JSON.parse(json.stderr);
  assert.deepEqual(rest, {
    ok: false,
    code: "PROCEDURE_FAILED",
    remoteCode: "UnknownCity",
    procedure: "forecast",
    data: { city: "Atlantis" },
  });
  const busy = await run(t, ["call", address, "forecast", '{"city":"Busy"}']);
  assert.match(busy.stderr, /^earshot: .*Busy.*\n$/);
  assert.equal(busy.code, 8);
});

test("what is wrong with an input is told one a line, with its place", LIMIT, async (t) => {
  const address = await weatherServer(t);
  const { code, stderr } = await run(t, ["call", address, "forecast", '{"city":5}']);
  assert.match(stderr, /^earshot: Cannot call forecast at ".*": the input is not valid\n {2}city: .*string.*\n$/);
  assert.equal(code, 4);
  const json = await run(t, ["call", address, "forecast", '{"city":5}', "--json"]);
  assert.deepEqual(JSON.parse(json.stderr).issues[0].path, ["city"]);
  const nothing = await run(t, ["call", address, "forecast"], { input: "" });
  assert.equal(nothing.code, 4, "no bytes are no input");
});

test("an error that the contract does not declare is the handler's failure", LIMIT, async (t) => {
  const { code, stderr } = await run(t, ["call", await weatherServer(t), "forecast", '{"city":"Bug"}']);
  assert.match(stderr, /^earshot: Cannot call forecast at [^\n]*\n$/);
  assert.equal(code, 5);
});

for (const [args, message] of [
  [["forcast"], /^Cannot call "forcast": weather 1\.4\.0 has no such procedure; did you mean "forecast"\?$/],
  [["FORECAST"], /did you mean "forecast"\?$/],
  [["admin.user.list"], /did you mean "admin\.users\.list"\?$/],
  [["list"], /did you mean "admin\.users\.list"\?$/],
  [["frobnicate"], /; there are forecast, watch, upload, chat, tagged, admin\.users\.list$/],
  [[], /^the PROCEDURE is missing; .* See: earshot call --help$/],
  [["forecast", "{}", "x"], /^"x" is one too many after ADDRESS, PROCEDURE and JSON; put quotes around the JSON\./],
  [
    ["forecast", "{city:1}"],
    /^Cannot use "\{city:1\}" as the input of forecast: it is no JSON .*; it takes \{ city: string \}\./,
  ],
  [["forecast", '{"$date":"x"}'], /the input of forecast: \{"\$date":"x"\} is no value: it takes a time such as/],
  [["forecast", `${"[".repeat(60_000)}${"]".repeat(60_000)}`], /is no value|too many values are inside each other/],
  [["forecast", "-5"], /^there is no option "-5"; an input that begins with - goes after --\./],
  [["admin.users.list", "1"], /^admin\.users\.list takes no input\./],
  [["chat", "hello"], /^chat takes no input; its items come on standard input, one a line\./],
  [["tagged"], /^tagged takes an input \(number\); give it as an argument\./],
  [["tagged", "-"], /^the items of tagged are standard input; its input has to be an argument\./],
  [["forecast", "--header", "x"], /^--header "x": a name, =, and a value are needed\./],
  [["forecast", "{}", "--header", `x=${"y".repeat(9_000)}`], /^Cannot send these headers: .*more than 8192 bytes/],
] as const) {
  test(`bad usage, and nothing is called: call ${args.join(" ").slice(0, 40)}`, LIMIT, async (t) => {
    const { address } = await serving(t, weather, {
      ...unused,
      admin: { users: { list: () => assert.fail("called") } },
    });
    const { code, stdout, stderr } = await run(t, ["call", address, ...args]);
    assert.match(stderr, /^earshot: .*\n$/);
    assert.match(stderr.slice("earshot: ".length, -1), message);
    assert.equal(stdout.length, 0);
    assert.equal(code, 2);
  });
}

test("call says which of its errors it is, with --json", LIMIT, async (t) => {
  const { stderr } = await run(t, ["call", await weatherServer(t), "forcast", "--json"]);
  const { code, delivery } = JSON.parse(stderr);
  assert.deepEqual({ code, delivery }, { code: "UNKNOWN_PROCEDURE", delivery: "unsent" });
});

test("call exits with 1 where no contract is served, with 3 where nobody listens", LIMIT, async (t) => {
  const path = join(temporaryDirectory(t), "s");
  assert.equal((await run(t, ["call", path, "x"])).code, 3);
  const server = await listen(path, () => "fine");
  t.after(() => server.close({ graceMs: 0 }));
  const { code, stderr } = await run(t, ["call", path, "x"]);
  assert.match(stderr, /no contract is served there/);
  assert.equal(code, 1);
});

test("call exits with 6 when it takes too long, and the handler is told", LIMIT, async (t) => {
  const aborted = later();
  const { address } = await serving(t, weather, {
    ...unused,
    forecast: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted.resolve();
          reject(signal.reason);
        });
      }),
  });
  const { code, stderr } = await run(t, ["call", address, "forecast", '{"city":"x"}', "--timeout-ms", "1000"]);
  assert.match(stderr, /^earshot: Cannot call forecast at .*: no reply within \d+(\.\d+)? ms\n$/);
  assert.equal(code, 6);
  await aborted.promise;
});

test("call exits with 4 when standard input, or the output, is too large", LIMIT, async (t) => {
  const address = await echoServer(t);
  const limit = ["--max-message-bytes", "2000"];
  const long = JSON.stringify("x".repeat(3_000));
  const input = await run(t, ["call", address, "any", "-", ...limit], { input: long });
  assert.match(input.stderr, /standard input: it has more than 2000 bytes/);
  assert.equal(input.code, 4);
  const output = await run(t, ["call", address, "any", long, ...limit]);
  assert.equal(output.code, 4, output.stderr);
});

test("at a terminal, call prints for people, and says what it waits for", LIMIT, async (t) => {
  if (!requireTool(t, "python3")) return;
  const address = await weatherServer(t);
  const at = (...args: string[]) => {
    const script = "import pty, sys; pty.spawn(sys.argv[1:])";
    return new Program(t, "python3", ["-c", script, process.execPath, EARSHOT, "call", address, ...args], {
      input: "open",
    });
  };
  await at("forecast", '{"city":"Riga"}').says("stdout", '{\r\n  "celsius": 4\r\n}\r\n');
  await at("forecast").says("stdout", "forecast takes an input ({ city: string }); give it as an argument, or - for");
  const chat = at("chat");
  await chat.says("stdout", "items are what you type, one a line; end it with Ctrl-D");
  chat.child.stdin?.write("hello\n");
  await chat.says("stdout", '"hello, hello"\r\n');
});

test("what contracts are made of is no part of other commands, and serving no part of call", () => {
  const has = (command: string, text: string) =>
    readdirSync(`${ROOT}dist/cli/${command}`).some((name) =>
      readFileSync(`${ROOT}dist/cli/${command}/${name}`, "utf8").includes(text),
    );
  const inCodec = "values inside each other";
  assert.ok(has("call", inCodec));
  for (const command of ["send", "ping", "listen", "doctor", "describe", "complete"])
    assert.ok(!has(command, inCodec), command);
  assert.ok(!has("call", "Cannot use middleware"));
});

test("call --verbose logs what the library does", LIMIT, async (t) => {
  const { stdout, stderr } = await run(t, ["call", await weatherServer(t), "admin.users.list", "--verbose"]);
  assert.match(stderr, /^earshot: debug: client connected \(address: unix:/);
  assert.equal(stdout.toString(), '["ann","bob"]\n');
});
