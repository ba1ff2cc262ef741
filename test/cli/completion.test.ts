import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMMAND_NAMES } from "../../src/cli/help.js";
import { serve } from "../../src/contract/index.js";
import { listen } from "../../src/index.js";
import { serving, unused, weather } from "../contract/support.js";
import { EARSHOT, Program, run } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";
import { LIMIT } from "./helpers.js";

type Test = Parameters<typeof temporaryDirectory>[0];

/** A runtime directory of its own. */
function runtime(t: Test) {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "earshot"), { mode: 0o700 });
  return { directory, env: { ...process.env, XDG_RUNTIME_DIR: directory } };
}

/** The words that are offered, without what they are. */
async function offered(t: Test, words: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string[]> {
  const { code, stdout, stderr } = await run(t, ["complete", "--", ...words], { env });
  assert.equal(stderr, "");
  assert.equal(code, 0);
  const lines = stdout.toString().split("\n").slice(0, -1);
  return lines.map((line) => line.split("\t")[0] ?? "");
}

for (const [words, found] of [
  [[""], COMMAND_NAMES],
  [["de"], ["describe"]],
  [["--"], ["--help", "--version"]],
  [["frobnicate", ""], [":files"]],
  [
    ["completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [["completion", "bash", ""], []],
  [
    ["outbox", ""],
    ["list", "show", "retry", "drop", "stats"],
  ],
  [["outbox", "list", ""], [":files"]],
  [["post", "x", "--outbox", ""], [":files"]],
  [["send", "x", "--w"], ["--wire"]],
  [
    ["send", "--wire", ""],
    ["framed", "plain"],
  ],
  [["listen", "x", "--wire", "p"], ["plain"]],
  [["listen", "x", "--output", ""], [":files"]],
  [["listen", "x", "--reply", ""], []],
  [["ping", "x", ""], []],
  [["ping", "./"], [":files"]],
  [["ping", "--timeout-ms", "5", "/run/"], [":files"]],
  [["send", "x", "--", "-"], []],
] as const) {
  test(
    `after "${words.slice(0, -1).join(" ")}", ${JSON.stringify(words.at(-1))} may become ${found.join(", ")}`,
    LIMIT,
    async (t) => {
      assert.deepEqual(await offered(t, words, runtime(t).env), found);
    },
  );
}

test("all options of a command are offered, as its help names them", LIMIT, async (t) => {
  for (const command of COMMAND_NAMES) {
    const help = (await run(t, [command, "--help"])).stdout.toString();
    const named = Array.from(help.matchAll(/^ {2}(?:-h, )?(--[a-z-]+)/gm), ([, name]) => name);
    assert.ok(named.includes("--help"));
    assert.deepEqual(await offered(t, [command, "x", "-"]), named, command);
  }
});

test("addresses are the bare names of sockets that are there", LIMIT, async (t) => {
  const { directory, env } = runtime(t);
  for (const name of ["chat", "inbox"]) {
    const server = await listen(join(directory, "earshot", `${name}.sock`), () => "");
    t.after(() => server.close({ graceMs: 0 }));
  }
  writeFileSync(join(directory, "earshot", "file.sock"), "");
  writeFileSync(join(directory, "earshot", "other"), "");
  assert.deepEqual((await offered(t, ["send", ""], env)).sort(), ["chat", "inbox"]);
  assert.deepEqual(await offered(t, ["doctor", "--json", "in"], env), ["inbox"]);
  assert.deepEqual(await offered(t, ["send", "zzz"], env), [":files"]);
});

test("procedures are what the server has, with what they are", LIMIT, async (t) => {
  const { address } = await serving(t, weather, unused);
  const all = ["forecast", "watch", "upload", "chat", "tagged", "admin.users.list"];
  assert.deepEqual(await offered(t, ["call", address, ""]), all);
  assert.deepEqual(await offered(t, ["call", "--header", "a=b", address, "f"]), ["forecast"]);
  assert.deepEqual(await offered(t, ["call", address, "forecast", ""]), []);
  assert.deepEqual(await offered(t, ["describe", address, ""]), []);
  const { stdout } = await run(t, ["complete", "--", "call", address, "w"]);
  assert.equal(stdout.toString(), "watch\tserver stream\n");
});

test("a server that is not there, has no contract or does not answer offers nothing, silently", LIMIT, async (t) => {
  const directory = temporaryDirectory(t);
  assert.deepEqual(await offered(t, ["call", join(directory, "none"), ""]), []);
  const server = await listen(join(directory, "s"), () => "fine");
  t.after(() => server.close({ graceMs: 0 }));
  assert.deepEqual(await offered(t, ["call", server.address, ""]), []);
  const plain = await listen(join(directory, "p"), () => new Promise<string>(() => {}), { wire: "plain" });
  t.after(async () => {
    void plain.close();
    await plain.close();
  });
  assert.deepEqual(await offered(t, ["call", plain.address, ""]), []);
});

test("completion without a shell, or with one that it does not know, is bad usage", LIMIT, async (t) => {
  for (const [args, message] of [
    [[], "the shell is missing; it is one of bash, zsh, fish. See: earshot completion --help"],
    [["csh"], 'there is no script for "csh"; it is one of bash, zsh, fish. See: earshot completion --help'],
    [["bash", "x"], '"x" is one too many after the shell. See: earshot completion --help'],
  ] as const) {
    const { code, stderr } = await run(t, ["completion", ...args]);
    assert.equal(stderr, `earshot: ${message}\n`);
    assert.equal(code, 2);
  }
});

/** What bash offers for a line whose words it has cut as the Tab key would. */
async function inBash(t: Test, words: readonly string[], line: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const script = `
    source <("$NODE" "$EARSHOT" completion bash)
    earshot() { "$NODE" "$EARSHOT" "$@"; }
    COMP_LINE=$1 COMP_POINT=\${#1}; shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    complete -p earshot > /dev/null || exit 1
    _earshot earshot "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ["--norc", "-c", script, "bash", line, ...words];
  const program = new Program(t, "bash", args, { env: { ...env, NODE: process.execPath, EARSHOT } });
  const { stdout, stderr } = await program.ended;
  assert.equal(stderr, "");
  return stdout
    .toString()
    .split("\n")
    .slice(0, -1)
    .filter((word) => word !== "");
}

test("bash completes commands, options, sockets and procedures", LIMIT, async (t) => {
  if (!requireTool(t, "bash")) return;
  const { directory, env } = runtime(t);
  const path = join(directory, "earshot", "weather.sock");
  const server = await serve(path, weather, unused);
  t.after(() => server.close({ graceMs: 0 }));
  assert.deepEqual(await inBash(t, ["earshot", "ca"], "earshot ca", env), ["call"]);
  assert.deepEqual(await inBash(t, ["earshot", "call", ""], "earshot call ", env), ["weather"]);
  const line = "earshot  call weather f";
  assert.deepEqual(await inBash(t, ["earshot", "call", "weather", "f"], line, env), ["forecast"]);
  const flags = ["earshot", "call", "weather", "watch", "Riga", "--ti"];
  assert.deepEqual(await inBash(t, flags, "earshot call weather watch Riga --ti", env), ["--timeout-ms"]);
  // Bash cuts these words at : and =.
  const cut = ["earshot", "call", "--header", "a", "=", "b", "unix", ":", path, "wat"];
  assert.deepEqual(await inBash(t, cut, `earshot call --header a=b unix:${path} wat`, env), ["watch"]);
  const file = await inBash(t, ["earshot", "ping", `${directory}/`], `earshot ping ${directory}/`, env);
  assert.deepEqual(file, [join(directory, "earshot")]);
});

for (const shell of ["zsh", "fish"] as const) {
  test(`${shell} takes its script`, LIMIT, async (t) => {
    if (!requireTool(t, shell)) return;
    const { stdout } = await run(t, ["completion", shell]);
    const script = join(temporaryDirectory(t), "script");
    writeFileSync(script, stdout);
    const { code, stderr } = await new Program(t, shell, ["-n", script]).ended;
    assert.equal(stderr, "");
    assert.equal(code, 0);
  });
}
