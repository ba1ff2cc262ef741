import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { dial, EarshotError, listen } from "../../src/index.js";
import { chooseSockets } from "../../src/transport/kind.js";
import { Child, until } from "../support/children.js";
import { Program } from "../support/process.js";
import { compileFixture } from "../support/starter.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireTool } from "../support/tools.js";
import { connect, outcome, rejection, serve, socketPath } from "./support.js";

const IS_NATIVE = chooseSockets("auto").kind === "native";
const VERSIONS = 20;
const CLIENTS = 8;

/** Sends without pause, one message after the other, on a new connection when the server has left the old one. */
class Sender {
  readonly #address: string;
  readonly #name: number;
  sent = 0;
  isDone = false;
  readonly replies = new Set<string>();

  constructor(address: string, name: number) {
    this.#address = address;
    this.#name = name;
  }

  async run(): Promise<void> {
    while (!this.isDone) {
      const client = await dial(this.#address);
      try {
        while (!this.isDone) {
          this.replies.add((await client.send(`${this.#name} ${this.sent}`)).text());
          this.sent++;
        }
      } catch (error) {
        // It is safe to send again, or this test fails.
        if (!(error instanceof EarshotError) || error.delivery !== "unsent") throw error;
      } finally {
        await client.close();
      }
    }
  }
}

async function startVersion(t: TestContext, program: string, address: string, version: number, log: string) {
  const child = await Child.startCompiled(t, program);
  await child.call("start", { address, version, log });
  return child;
}

/** The first version, which the tool starts when the first caller comes. */
async function activate(t: TestContext, [address, program, log]: readonly [string, string, string]) {
  const args = ["-l", address, "-E", "EARSHOT_TRANSPORT=native", process.execPath, program, "systemd:", "1", log];
  const tool = new Program(t, "systemd-socket-activate", args);
  // Its file is there before it listens.
  await tool.says("stderr", "Listening on");
  return tool;
}

if (IS_NATIVE) {
  for (const origin of ["a file of its own", "systemd-socket-activate"]) {
    test(`from ${origin}: ${VERSIONS} versions take over while ${CLIENTS} clients send, none refused, lost or doubled`, async (t) => {
      const isActivated = origin === "systemd-socket-activate";
      if (isActivated && !requireTool(t, origin)) return;
      const directory = temporaryDirectory(t);
      const [address, log] = [join(directory, "s"), join(temporaryDirectory(t), "log")];
      const program = await compileFixture(t, "version-server");
      const first = isActivated
        ? await activate(t, [address, program, log])
        : await startVersion(t, program, address, 1, log);
      let current: { readonly ended: Promise<unknown> } = first;
      const senders = Array.from({ length: CLIENTS }, (_, name) => new Sender(address, name));
      const running = Promise.all(senders.map((sender) => sender.run()));
      await until(() => senders.every(({ sent }) => sent > 5), "all to be served by the first");
      for (let version = 2; version <= VERSIONS; version++) {
        const next = await startVersion(t, program, address, version, log);
        await current.ended;
        current = next;
        const before = senders.map(({ sent }) => sent);
        await until(
          () => senders.every(({ sent }, index) => sent > before[index]! + 5),
          "all to be served by the new one",
        );
      }
      for (const sender of senders) sender.isDone = true;
      await running;
      const expected = senders.flatMap(({ sent }, name) =>
        Array.from({ length: sent }, (_, index) => `${name} ${index}`),
      );
      const handled = readFileSync(log, "utf8").trimEnd().split("\n");
      assert.equal(handled.length, expected.length);
      assert.deepEqual(new Set(handled), new Set(expected));
      assert.deepEqual(readdirSync(directory), ["s"]);
      for (const sender of senders) assert.ok(sender.replies.has(String(VERSIONS)));
    });
  }

  test("the old one finishes what it has in hand, and leaves the file to the new one, which removes it", async (t) => {
    const address = socketPath(t);
    let finish: (reply: string) => void = () => {};
    const old = await listen(address, () => new Promise<string>((resolve) => (finish = resolve)));
    t.after(() => old.close({ graceMs: 0 }));
    const client = await connect(t, old);
    const sending = outcome(client.send("slow"));
    await until(() => old.connectionCount === 1, "the message");
    await client.ping();
    const heir = await listen(address, () => "from the new one", { takeOver: true });
    const other = await connect(t, heir);
    assert.equal(await outcome(other.send("x")), "reply from the new one");
    finish("from the old one");
    assert.equal(await sending, "reply from the old one");
    await old.closed;
    assert.equal(existsSync(address), true);
    assert.equal(await outcome(other.send("x")), "reply from the new one");
    await heir.close();
    assert.deepEqual(readdirSync(dirname(address)), []);
  });

  test("with nobody to take over from it listens as usual, over a stale file too", async (t) => {
    const address = socketPath(t);
    const child = await Child.start(t, "peer-server");
    await child.call("listen", { address, handler: "echo" });
    await child.kill();
    assert.equal(existsSync(address), true);
    const server = await listen(address, () => "fresh", { takeOver: true });
    t.after(() => server.close());
    const client = await connect(t, server);
    assert.equal(await outcome(client.send("x")), "reply fresh");
  });

  test("a server that does not hand over keeps its address, and so does one over net, and a stranger", async (t) => {
    for (const options of [{ handOver: false }, { transport: "net" as const }]) {
      const server = await serve(t, () => "old", options);
      const error = await rejection(listen(server.address, () => "new", { takeOver: true }));
      assert.equal(error.code, "ADDRESS_IN_USE");
      const client = await connect(t, server);
      assert.equal(await outcome(client.send("x")), "reply old");
    }
  });

  test("an heir that dies before it serves has taken nothing", async (t) => {
    const server = await serve(t, () => "old");
    const { inherit } = await import("../../src/peer/hand-over.js");
    const first = await inherit(server.address, undefined);
    const error = await rejection(listen(server.address, () => "new", { takeOver: true }));
    assert.match(error.message, /another process is taking over/);
    await first?.abandon();
    const client = await connect(t, server);
    assert.equal(await outcome(client.send("x")), "reply old");
    const heir = await listen(server.address, () => "new", { takeOver: true });
    t.after(() => heir.close());
    assert.equal(await outcome((await connect(t, heir)).send("x")), "reply new");
  });

  test("a message to earshot itself that it does not know is refused; on a connection for such, all others are too", async (t) => {
    const server = await serve(t, () => assert.fail("the handler is not asked"));
    const { dialSystem } = await import("../../src/peer/dial.js");
    const client = await dialSystem(server.address, undefined);
    t.after(() => client.close());
    for (const order of [{ do: "dance" }, {}, []]) {
      assert.equal((await rejection(client.system(order, {}))).code, "UNSUPPORTED");
    }
    assert.equal(await outcome(client.send("x")), "PROTOCOL_VIOLATION unsent");
  });
} else {
  test("without the addon nothing can be taken over", async (t) => {
    const error = await rejection(listen(socketPath(t), () => "new", { takeOver: true }));
    assert.equal(error.code, "UNSUPPORTED");
  });
}
