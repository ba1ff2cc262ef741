import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EXIT_MEANINGS } from "../../src/cli/exit-codes.js";
import { Program, ROOT, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";

const LIMIT = { timeout: 60_000 };
const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));

test("--version prints the package's version, built or from source", LIMIT, async (t) => {
  assert.equal((await run(t, ["--version"])).stdout.toString(), `${version}\n`);
  const source = new Program(t, process.execPath, ["--import", "tsx", "src/cli/main.ts", "--version"], { cwd: ROOT });
  assert.equal((await source.ended).stdout.toString(), `${version}\n`);
});

for (const args of [
  ["--help"],
  ["-h"],
  ["listen", "--help"],
  ["send", "-h"],
  ["ping", "x", "--help"],
  ["doctor", "-h"],
  ["describe", "-h"],
  ["call", "x", "y", "--help"],
  ["completion", "-h"],
]) {
  test(`${args.join(" ")} prints help with examples and every exit code, and exits with 0`, LIMIT, async (t) => {
    const { code, stdout, stderr } = await run(t, args);
    const text = stdout.toString();
    assert.match(text, /Usage:/);
    assert.match(text, /^ {2}(until |source <\()?earshot (listen|send|ping|doctor|describe|call|completion) \S/m);
    for (const [number, meaning] of Object.entries(EXIT_MEANINGS))
      assert.ok(text.includes(`  ${number}  ${meaning}\n`));
    assert.ok(text.split("\n").every((line) => line.length <= 120));
    assert.equal(stderr, "");
    assert.equal(code, 0);
  });
}

test("a command's help names all of its options", LIMIT, async (t) => {
  const common = ["--json", "--quiet", "--verbose", "--timeout-ms", "--help"];
  const own = {
    listen: ["--echo", "--reply", "--exec", "--output", "--wire", "--mode", "--max-message-bytes", "--once"],
    send: ["--wire", "--max-message-bytes"],
    ping: [],
    doctor: ["--wire"],
    describe: [],
    call: ["--header", "--max-message-bytes"],
  };
  for (const [command, options] of Object.entries(own)) {
    const help = (await run(t, [command, "--help"])).stdout.toString();
    for (const option of [...common, ...options]) assert.ok(help.includes(option), `${command} ${option}`);
  }
});

test("without a command it prints its help on standard error, and exits with 2", LIMIT, async (t) => {
  const { code, stdout, stderr } = await run(t, []);
  assert.match(stderr, /Usage:/);
  assert.equal(stdout.length, 0);
  assert.equal(code, 2);
});

for (const [args, message] of [
  [["lisetn", "x"], 'there is no command "lisetn"; did you mean "listen"? See: earshot --help'],
  [["Send", "x"], 'there is no command "Send"; did you mean "send"? See: earshot --help'],
  [
    ["frobnicate"],
    'there is no command "frobnicate"; there are listen, send, subscribe, ping, bench, doctor, describe, call, post, outbox, completion. See: earshot --help',
  ],
  [
    ["--echo", "listen"],
    '"--echo" comes before the command; first one of listen, send, subscribe, ping, bench, doctor, describe, call, post, outbox, completion. See: earshot --help',
  ],
  [["send"], "the ADDRESS is missing. See: earshot send --help"],
  [["listen", "--echo"], "the ADDRESS is missing. See: earshot listen --help"],
  [["ping", "a", "b"], '"b" is one too many after ADDRESS. See: earshot ping --help'],
  [
    ["send", "a", "b", "c"],
    '"c" is one too many after ADDRESS and MESSAGE; put quotes around the message. See: earshot send --help',
  ],
  [["send", "a", "b", "--jsno"], 'there is no option "--jsno"; did you mean "--json"? See: earshot send --help'],
  [
    ["send", "a", "-5"],
    'there is no option "-5"; a message that begins with - goes after --. See: earshot send --help',
  ],
  [["send", "a", "b", "--once"], /^there is no option "--once"; .* See: earshot send --help$/],
  [["ping", "a", "--wire", "plain"], /^there is no option "--wire"; .* See: earshot ping --help$/],
  [["listen", "a", "--reply"], /^Option '--reply <value>' argument missing\. See: earshot listen --help$/],
  [["listen", "a", "--echo=yes"], /^Option '--echo' does not take an argument\. See: earshot listen --help$/],
  [["listen", "a", "--mode", "8"], /^--mode "8": three octal digits are needed/],
  [["listen", "a", "--mode", "rw"], /^--mode "rw": three octal digits are needed/],
  [["listen", "a", "--wire", "http"], '--wire "http": it is one of auto, plain, framed. See: earshot listen --help'],
  [["send", "a", "b", "--wire", "auto"], '--wire "auto": it is one of framed, plain. See: earshot send --help'],
  [["listen", "a", "--max-message-bytes", "0"], /^--max-message-bytes "0": a whole number of bytes is needed/],
  [["send", "a", "b", "--max-message-bytes", "1k"], /^--max-message-bytes "1k": a whole number of bytes is needed/],
  [["send", "a", "b", "--timeout-ms", "soon"], /^--timeout-ms "soon": a whole number of milliseconds is needed/],
  [["ping", "a", "--timeout-ms=-1"], /^--timeout-ms "-1": a whole number of milliseconds is needed/],
  [["listen", "a", "--timeout-ms", "5"], "--timeout-ms is for the command of --exec. See: earshot listen --help"],
  [["listen", "a", "--echo", "--reply", "x"], /^--echo, --reply and --exec exclude each other/],
  [["listen", "a", "--quiet", "--verbose"], /^--quiet and --verbose exclude each other/],
  [["send", "http://x", "y"], /^Cannot use "http:\/\/x": only unix: addresses are known/],
  [["ping", ""], /^Cannot use "": it is empty/],
  [["listen", `/tmp/${"x".repeat(200)}`], /^Cannot listen on .*too long/],
] as const) {
  test(`bad usage: ${args.join(" ").slice(0, 60)}`, LIMIT, async (t) => {
    const { code, stdout, stderr } = await run(t, args);
    const text = stderr.replace(/^earshot: /, "").replace(/\n$/, "");
    assert.ok(stderr.startsWith("earshot: ") && stderr.endsWith("\n") && !text.includes("\n"), stderr);
    if (typeof message === "string") assert.equal(text, message);
    else assert.match(text, message);
    assert.equal(stdout.length, 0);
    assert.equal(code, 2);
  });
}

test("bad usage is JSON, too, when that was asked for", LIMIT, async (t) => {
  const { code, stderr } = await run(t, ["send", "--json"]);
  assert.deepEqual(JSON.parse(stderr), {
    ok: false,
    code: "INVALID_ARGUMENT",
    message: "the ADDRESS is missing. See: earshot send --help",
  });
  assert.equal(code, 2);
});

test("help for a reader that goes away ends with 0", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  const program = new Program(t, "sh", [
    "-c",
    `{ "${process.execPath}" "${join(ROOT, "bin/earshot.js")}" --help; echo $? > "${directory}/code"; } | true; cat "${directory}/code"`,
  ]);
  assert.equal((await program.ended).stdout.toString(), "0\n");
});
