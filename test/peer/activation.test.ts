import assert from "node:assert/strict";
import { lstatSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Native, SOCK_DGRAM, SOCK_STREAM } from "../../src/native/binding.js";
import { dial } from "../../src/peer/dial.js";
import { chooseSockets } from "../../src/transport/kind.js";
import { resolvePath } from "../../src/transport/resolve.js";
import { listenWith, openSocket, requireNative, startWith } from "../support/manager.js";
import { EARSHOT, Program, ROOT } from "../support/process.js";
import { temporaryDirectory } from "../support/temp.js";
import { requireRoot, requireTool } from "../support/tools.js";

const LIMIT = { timeout: 60_000 };
/** SOCK_SEQPACKET */
const PACKETS = 5;
const NEEDED = "and a stream socket of this machine is needed: ListenStream=/a/path in the .socket unit";

async function ask(t: TestContext, path: string, text: string): Promise<string> {
  const client = await dial(path);
  t.after(() => client.close());
  return (await client.send(text)).text();
}

/** Only what went wrong. */
async function errorOf(program: Program): Promise<string> {
  const { code, stderr } = await program.ended;
  assert.notEqual(code, 0);
  return stderr.replace(/^earshot: Cannot listen on "[^"]*": /, "").trimEnd();
}

/** The descriptor of a connected socket. */
function connectionTo(native: Native, t: TestContext, path: string): number {
  const fd = native.socket(SOCK_STREAM);
  t.after(() => native.close(fd));
  native.connect(fd, Buffer.from(path));
  return fd;
}

for (const transport of ["native", "net"] as const) {
  test(`${transport}: a server takes the socket that was passed, and leaves its file as it is`, LIMIT, async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const path = join(temporaryDirectory(t), "s");
    const fd = openSocket(t, native, path);
    const before = lstatSync(path);
    // Who comes before the server does waits.
    const early = ask(t, path, "early");
    const server = listenWith(t, [fd], "systemd:", { transport }, ["--echo", "--mode", "600"]);
    assert.equal(await early, "early");
    await server.says("stderr", `listening on unix:${path}\n`);
    assert.equal(await ask(t, path, "late"), "late");
    server.signal("SIGTERM");
    assert.equal((await server.ended).code, 0);
    const { ino, mode } = lstatSync(path);
    assert.deepEqual({ ino, mode }, { ino: before.ino, mode: before.mode });

    // Nobody is refused between two servers.
    const between = ask(t, path, "between");
    listenWith(t, [fd], "activation:", { transport }, ["--echo"]);
    assert.equal(await between, "between");
  });

  test(`${transport}: a server that nobody uses leaves the socket to the next`, LIMIT, async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const path = join(temporaryDirectory(t), "s");
    const fd = openSocket(t, native, path);
    for (const text of ["first", "second"]) {
      const client = await dial(path);
      const early = client.send(text);
      const server = listenWith(t, [fd], "systemd:", { transport }, ["--echo", "--idle-exit-ms", "50"]);
      assert.equal((await early).text(), text);
      await client.close();
      assert.equal((await server.ended).code, 0);
      assert.ok(lstatSync(path).isSocket());
    }
  });

  test(`${transport}: of several sockets each is taken by its name`, LIMIT, async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const directory = temporaryDirectory(t);
    const fds = ["a", "b", "c", "d"].map((name) => openSocket(t, native, join(directory, name)));
    const options = { transport, names: "notes:notes-admin.socket:twice:twice" };
    const server = listenWith(t, fds, "systemd:notes-admin.socket", options, ["--echo"]);
    await server.says("stderr", `listening on unix:${join(directory, "b")}\n`);
    assert.equal(await ask(t, join(directory, "b"), "x"), "x");

    const list = '"notes", "notes-admin.socket", "twice", "twice"';
    const remedy = "write systemd:NAME, after FileDescriptorName= in the .socket unit";
    const error = (address: string) => errorOf(listenWith(t, fds, address, options));
    assert.equal(await error("systemd:"), `the service manager has passed 4 sockets: ${list}; ${remedy}`);
    assert.equal(
      await error("systemd:other"),
      `the service manager has passed no socket of the name "other": ${list}; ${remedy}`,
    );
    assert.equal(
      await error("systemd:twice"),
      `the service manager has passed 2 sockets of the name "twice": ${list}; ${remedy}`,
    );
    const nameless = await errorOf(listenWith(t, fds.slice(0, 2), "systemd:", { transport }));
    assert.match(nameless, /^the service manager has passed 2 sockets: "unknown", "unknown"; /);
  });

  test(
    `${transport}: what is not a listening stream socket is refused, and said to be what it is`,
    LIMIT,
    async (t) => {
      const native = requireNative(t);
      if (native === undefined) return;
      const directory = temporaryDirectory(t);
      const path = join(directory, "s");
      const bound = (name: string, type: number) => openSocket(t, native, join(directory, name), type);
      openSocket(t, native, path);
      const network = createServer();
      await new Promise<void>((resolve) => network.listen(0, "127.0.0.1", resolve));
      t.after(() => network.close());
      const { fd: networkFd } = (network as unknown as { _handle: { fd: number } })._handle;
      for (const [fd, fact] of [
        [bound("datagrams", SOCK_DGRAM), `descriptor 3 is a socket for datagrams, ${NEEDED}`],
        [bound("packets", PACKETS), `descriptor 3 is a socket for packets, ${NEEDED}`],
        [networkFd, `descriptor 3 is a socket of the network, ${NEEDED}`],
        [openSync("/dev/null", "r"), `descriptor 3 is not a socket, ${NEEDED}`],
        [
          connectionTo(native, t, path),
          "descriptor 3 is a connection, not a socket that listens; write Accept=no in the .socket unit",
        ],
      ] as const) {
        const program = listenWith(t, [fd], "systemd:", { transport });
        const { code, stderr } = await program.ended;
        const [text] = fact.split(" (NOT");
        assert.ok(stderr.startsWith(`earshot: Cannot listen on "systemd:": ${text}`), `${fact}\n${stderr}`);
        assert.equal(code, 4, stderr);
      }
    },
  );

  test(`${transport}: an abstract name is told as one`, LIMIT, async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const name = `@earshot-activation-${process.pid}-${transport}`;
    const server = listenWith(t, [openSocket(t, native, name)], "systemd:", { transport });
    await server.says("stderr", `listening on unix:${name}\n`);
  });

  test(`${transport}: what was passed to another process, or to none, is nobody's`, LIMIT, async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const fd = openSocket(t, native, join(temporaryDirectory(t), "s"));
    // As npm or a shell between the manager and node does.
    const child = [process.execPath, EARSHOT, "listen", "systemd:"];
    const between = startWith(t, [fd], ["sh", "-c", `${child.join(" ")}; exit $?`], { transport });
    const error = await errorOf(between);
    assert.match(error, /^the service manager has passed its sockets to process \d+, and this is \d+; let it start/);
    const { code, stderr } = await new Program(t, process.execPath, [...child.slice(1)]).ended;
    assert.match(stderr, /the service manager has passed no socket; start the program by its \.socket unit, or to try/);
    assert.equal(code, 2);
  });

  test(
    `${transport}: a socket is taken once, by whichever of its names, also when its server is gone`,
    LIMIT,
    async (t) => {
      const native = requireNative(t);
      if (native === undefined) return;
      const fd = openSocket(t, native, join(temporaryDirectory(t), "s"));
      const program = `
      import { listen } from "${ROOT}dist/index.js";
      const attempt = (address) => listen(address, () => {}).then((server) => server, (error) => error.code);
      const server = await attempt("systemd:notes");
      const codes = [await attempt("systemd:notes"), await attempt("activation:")];
      await server.close();
      console.log(...codes, await attempt("systemd:"));`;
      const command = [process.execPath, "--input-type=module", "--eval", program];
      const { stdout, stderr } = await startWith(t, [fd], command, { transport, names: "notes" }).ended;
      assert.equal(stdout.toString(), "ADDRESS_IN_USE ADDRESS_IN_USE ADDRESS_IN_USE\n", stderr);
    },
  );

  test(`${transport}: systemd's own tool starts a server that way`, LIMIT, async (t) => {
    if (!requireTool(t, "systemd-socket-activate")) return;
    if (transport === "native" && requireNative(t) === undefined) return;
    const path = join(temporaryDirectory(t), "s");
    const command = [process.execPath, EARSHOT, "listen", "systemd:main", "--echo"];
    const args = ["-E", `EARSHOT_TRANSPORT=${transport}`, "--fdname=main", "-l", path, ...command];
    const tool = new Program(t, "systemd-socket-activate", args);
    await tool.says("stderr", `Listening on ${path}`);
    assert.equal(await ask(t, path, "hello"), "hello");
    await tool.says("stderr", `listening on unix:${path}\n`);
    tool.signal("SIGTERM");
    assert.equal((await tool.ended).code, 0);
    assert.ok(lstatSync(path).isSocket());
  });
}

test(
  "native: callers are told the server's process, not the manager's, and its commands do not get the socket",
  LIMIT,
  async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const path = join(temporaryDirectory(t), "s");
    const args = ["--exec", "readlink /proc/self/fd/3 || echo nothing"];
    const server = listenWith(t, [openSocket(t, native, path)], "systemd:", { transport: "native" }, args);
    await server.says("stderr", "listening on");
    const target = resolvePath(path, "dial");
    const transport = await chooseSockets("native").dial(target, { timeoutMs: 5_000, signal: undefined, spinUs: 0 });
    t.after(() => transport.close());
    assert.equal(transport.credentials?.pid, server.child.pid);
    assert.equal(await ask(t, path, ""), "nothing\n");
  },
);

test("net: in a network of its own a server finds no more out, and listens", LIMIT, async (t) => {
  const native = requireNative(t);
  if (native === undefined || !requireRoot(t) || !requireTool(t, "unshare")) return;
  const path = join(temporaryDirectory(t), "s");
  const fd = openSocket(t, native, path);
  const command = ["unshare", "--net", process.execPath, EARSHOT, "listen", "systemd:", "--echo"];
  const server = startWith(t, [fd], command, { transport: "net" });
  await server.says("stderr", "listening on systemd:\n");
  assert.equal(await ask(t, path, "x"), "x");
});

test(
  "a server with a socket of the manager takes over from nobody, and its own heir leaves the file as it is",
  LIMIT,
  async (t) => {
    const native = requireNative(t);
    if (native === undefined) return;
    const path = join(temporaryDirectory(t), "s");
    const fd = openSocket(t, native, path);
    const options = { transport: "native" } as const;
    const error = await errorOf(listenWith(t, [fd], "systemd:", options, ["--take-over"]));
    assert.match(error, /^takeOver is of no use here/);

    const first = listenWith(t, [fd], "systemd:", options, ["--echo"]);
    await first.says("stderr", "listening on");
    const env = { ...process.env, EARSHOT_TRANSPORT: "native" };
    const heir = new Program(t, process.execPath, [EARSHOT, "listen", path, "--take-over", "--reply", "heir"], { env });
    await heir.says("stderr", "listening on");
    assert.equal((await first.ended).code, 0);
    assert.equal(await ask(t, path, "x"), "heir");
    heir.signal("SIGTERM");
    assert.equal((await heir.ended).code, 0);
    assert.ok(lstatSync(path).isSocket());
  },
);
