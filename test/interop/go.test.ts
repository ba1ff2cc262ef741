import assert from "node:assert/strict";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { dial } from "../../src/index.js";
import { listening, Program } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";
import { hashOf, Inbox, LIMIT, plain, randomMessage, SIZES } from "./messages.js";

type Name = "sender" | "server";

/** What lasts as long as this file's tests. */
const FILE: Pick<TestContext, "after"> = { after: (hook) => after(hook as () => void) };

/** Compiles each program once, with the standard library alone and nothing from the network. */
class GoPrograms {
  readonly #directory = temporaryDirectory(FILE);
  readonly #built = new Map<Name, Promise<string>>();

  path(name: Name): Promise<string> {
    const built = this.#built.get(name) ?? this.#build(name);
    this.#built.set(name, built);
    return built;
  }

  async #build(name: Name): Promise<string> {
    const output = join(this.#directory, name);
    const source = fileURLToPath(new URL(`${name}.go`, import.meta.url));
    const env = {
      PATH: process.env.PATH,
      HOME: this.#directory,
      GOCACHE: join(this.#directory, "cache"),
      GOPATH: join(this.#directory, "path"),
      GOFLAGS: "-mod=mod",
      GOPROXY: "off",
      GO111MODULE: "off",
      GOTOOLCHAIN: "local",
      CGO_ENABLED: "0",
    };
    const args = ["build", "-o", output, source];
    const { code, stderr } = await new Program(FILE, "go", args, { env, cwd: this.#directory }).ended;
    assert.equal(code, 0, `go build failed: ${stderr}`);
    return output;
  }
}

const go = new GoPrograms();

test("a Go program that writes and closes both ways at once gets its message handled", LIMIT, async (t) => {
  if (!requireTool(t, "go")) return;
  const inbox = await Inbox.open(t, (message) => message.bytes);
  for (const size of SIZES) {
    const input = randomMessage(size);
    const { code, stderr } = await new Program(t, await go.path("sender"), ["tell", inbox.path], { input }).ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await inbox.take(), [plain(input)]);
  }
});

test("a Go program that ends its direction and reads gets the reply", LIMIT, async (t) => {
  if (!requireTool(t, "go")) return;
  const inbox = await Inbox.open(t, (message) => message.bytes);
  for (const size of SIZES) {
    const input = randomMessage(size);
    const { code, stdout, stderr } = await new Program(t, await go.path("sender"), ["ask", inbox.path], { input })
      .ended;
    assert.equal(code, 0, stderr);
    assert.equal(hashOf(stdout), hashOf(input));
    assert.deepEqual(await inbox.take(), [plain(input)]);
  }
});

test(
  "a Go server that answers nothing gets every message of a plain client, and that counts as an empty reply",
  LIMIT,
  async (t) => {
    if (!requireTool(t, "go")) return;
    const path = join(temporaryDirectory(t), "s");
    const server = new Program(t, await go.path("server"), [path]);
    await server.says("stdout", "ready\n");
    const client = await dial(path, { wire: "plain" });
    t.after(() => client.close({ graceMs: 0 }));
    for (const size of SIZES) {
      const message = randomMessage(size);
      assert.equal((await client.send(message)).byteLength, 0);
      await server.says("stdout", `${size} ${hashOf(message)}\n`);
    }
    assert.equal(server.stdout.toString().trimEnd().split("\n").length, 1 + SIZES.length);
  },
);

test("a Go program sends to the command line, and the command line to a Go program", LIMIT, async (t) => {
  if (!requireTool(t, "go")) return;
  const path = join(temporaryDirectory(t), "s");
  const listener = await listening(t, path, ["--json"]);
  await new Program(t, await go.path("sender"), ["tell", path], { input: "hello from Go" }).ended;
  await listener.says("stdout", '{"peer":1,"wire":"plain","bytes":13,"text":"hello from Go"}\n');
});
